/** The hub's cache is shared with Python: what one of us has fetched, the other finds; and our server in tests serves both. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { loadModel } from "../../src/model/language-model";
import { HubServer } from "../model/hub-server";

const NAME = "someone/nano";
const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const nano = join(__dirname, "../../models/nano");

describe("the hub's cache", function () {
  this.timeout(120_000);
  let home: string;
  let server: HubServer;
  let environment: NodeJS.ProcessEnv;

  beforeEach(async () => {
    environment = { ...process.env };
    home = mkdtempSync(join(tmpdir(), "loralab-hub-"));
    server = new HubServer();
    await server.start();
    const files = readdirSync(nano).map((file): [string, Buffer] => [file, readFileSync(join(nano, file))]);
    server.models.set(NAME, { commits: { [COMMIT]: new Map(files) }, refs: { main: COMMIT } });
    process.env.HF_HOME = home;
    process.env.HF_ENDPOINT = server.endpoint;
    delete process.env.HF_HUB_OFFLINE;
  });
  afterEach(async () => {
    process.env = environment;
    await server.stop();
    rmSync(home, { recursive: true });
  });

  const python = async (what: string, changes: NodeJS.ProcessEnv = {}) => {
    const script = join(__dirname, "hub_model.py");
    const env = { ...process.env, TRANSFORMERS_VERBOSITY: "error", HF_HUB_DISABLE_XET: "1", ...changes };
    return (await promisify(execFile)(process.env.PYTHON!, [script, what, NAME], { env })).stdout.trim();
  };

  it("filled by loadModel is what transformers finds by the same name", async () => {
    const model = await loadModel(NAME);
    const ids = Array.from({ length: 10 }, (_, i) => i);
    const ours = [...(await model.logits(ids)).data].reduce((sum, x) => sum + Math.abs(x), 0);
    const theirs = Number(await python("sum", { HF_HUB_OFFLINE: "1" }));
    assert.ok(Math.abs(ours - theirs) < 1e-5 * theirs, `${ours} and ${theirs}`);
  });

  it("filled by huggingface_hub is what loadModel finds, with nothing left to fetch", async () => {
    await python("fetch");
    server.requests.length = 0;
    const model = await loadModel(NAME);
    assert.deepEqual(server.fetched, []);
    process.env.HF_HUB_OFFLINE = "1";
    assert.deepEqual([...(await loadModel(NAME)).weights], [...model.weights]);
  });
});
