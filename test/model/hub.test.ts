import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { type Download, observeDownloads } from "../../src/model/downloads";
import { fetchModel, isHubName } from "../../src/model/hub";
import { loadModel } from "../../src/model/language-model";
import { readModelFolder, writeModelFolder } from "../../src/model/load";
import { type HubModel, HubServer, sha256 } from "./hub-server";

const nano = path.join(__dirname, "../../models/nano");
const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const OLDER = "76543210fedcba9876543210fedcba9876543210";
const NAME = "someone/Nano-0.2M";
const filesOf = (folder: string) =>
  new Map(fs.readdirSync(folder).map((file) => [file, fs.readFileSync(path.join(folder, file))]));

/** nano as a repository has it: with a file that is no use here. */
const whole = filesOf(nano).set("pytorch_model.bin", Buffer.alloc(500_000));
const weights = whole.get("model.safetensors")!;

let home: string;
let server: HubServer;
let environment: NodeJS.ProcessEnv;
let model: HubModel;

beforeEach(async () => {
  environment = { ...process.env };
  for (const variable of Object.keys(process.env)) {
    if (/^(HF|HUGGING)/.test(variable)) delete process.env[variable];
  }
  home = fs.mkdtempSync(path.join(os.tmpdir(), "loralab-hub-"));
  server = new HubServer();
  await server.start();
  model = { commits: { [COMMIT]: whole }, refs: { main: COMMIT } };
  server.models.set(NAME, model);
  process.env.HF_HOME = home;
  process.env.HF_ENDPOINT = server.endpoint;
});
afterEach(async () => {
  process.env = environment;
  delete (globalThis as any)[Symbol.for("Jupyter.signal")];
  await server.stop();
  fs.rmSync(home, { recursive: true });
});

const inCache = (...parts: string[]) => path.join(home, "hub", "models--someone--Nano-0.2M", ...parts);
const blobs = () => fs.readdirSync(inCache("blobs"));

/** What followers of downloads are told. */
async function followed(load: () => Promise<unknown>): Promise<Download[]> {
  const downloads: Download[] = [];
  const stop = observeDownloads({
    begin(download) {
      downloads.push(download);
      return { step() {}, end() {} };
    },
  });
  await load().finally(stop);
  return downloads;
}

describe("a model of the hub", () => {
  it("is fetched by its name, tells what it is, and is what is in the repository", async () => {
    const loaded = await loadModel(NAME);
    assert.equal(loaded.name, NAME);
    const { weights, tokenizer } = await readModelFolder(nano);
    assert.deepEqual([...loaded.weights], [...weights]);
    assert.deepEqual([...loaded.tokenizer.files], [...tokenizer!.files]);
    assert.match((await loaded.generate("Once", { maxTokens: 2 })).text, /./);
  });

  it("takes the files that are read and no others, and the second time none", async () => {
    await fetchModel(NAME);
    assert.deepEqual(server.fetched.sort(), [
      "config.json",
      "model.safetensors",
      "tokenizer.json",
      "tokenizer_config.json",
    ]);
    server.requests.length = 0;
    await fetchModel(NAME);
    assert.deepEqual(server.fetched, []);
  });

  it("lies in the cache as huggingface_hub lays it", async () => {
    const folder = await fetchModel(NAME);
    assert.equal(folder, inCache("snapshots", COMMIT));
    assert.equal(fs.readFileSync(inCache("refs", "main"), "utf8"), COMMIT);
    const link = fs.readlinkSync(path.join(folder, "model.safetensors"));
    assert.equal(link, path.join("..", "..", "blobs", sha256(weights)));
    assert.deepEqual(fs.readFileSync(path.join(folder, "model.safetensors")), weights);
    assert.equal(blobs().length, 4);
  });

  it("lies where HF_HUB_CACHE says", async () => {
    process.env.HF_HUB_CACHE = path.join(home, "elsewhere");
    const folder = await fetchModel(NAME);
    assert.ok(folder.startsWith(process.env.HF_HUB_CACHE));
  });

  it("comes in shards, those that the index names", async () => {
    const folder = path.join(home, "sharded");
    const files = await readModelFolder(nano);
    await writeModelFolder(folder, files, { format: "F16", shardBytes: 3e5 });
    const sharded = filesOf(folder).set("model-00009-of-00009.safetensors", Buffer.alloc(300_000));
    model.commits[COMMIT] = sharded;
    const loaded = await loadModel(NAME);
    assert.deepEqual([...loaded.weights], [...files.weights]);
    assert.ok(server.fetched.filter((file) => file.endsWith(".safetensors")).length > 1);
    assert.ok(!server.fetched.includes("model-00009-of-00009.safetensors"));
  });

  it("comes as plain files where the hub offers its chunk protocol", async () => {
    server.xet = true;
    await fetchModel(NAME);
    assert.ok(!server.requests.some((request) => request.includes("no-xet-here")));
  });

  it("comes from a branch, a tag or a commit, a commit without asking again", async () => {
    const before = new Map(whole).set("config.json", Buffer.from(`${whole.get("config.json")} `));
    model.commits[OLDER] = before;
    model.refs["v1.0"] = OLDER;
    assert.equal(await fetchModel(NAME), inCache("snapshots", COMMIT));
    server.requests.length = 0;
    assert.equal(await fetchModel(NAME, "v1.0"), inCache("snapshots", OLDER));
    assert.deepEqual(server.fetched, ["config.json"], "the rest is the same in both");
    server.requests.length = 0;
    assert.equal(await fetchModel(NAME, OLDER), inCache("snapshots", OLDER));
    assert.deepEqual(server.requests, []);
    await assert.rejects(fetchModel(NAME, "../main"), /revision: expected a branch, a tag or a commit/);
    await assert.rejects(loadModel("nano", { revision: "v1.0" }), /only models of the hub have revisions/);
  });

  it("tells those who follow downloads how much there is, how much has come, and what was here", async () => {
    const sizes = ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"];
    const total = sizes.reduce((sum, file) => sum + whole.get(file)!.length, 0);
    assert.deepEqual(await followed(() => fetchModel(NAME)), [
      { model: NAME, total, done: total, resumed: 0 },
    ]);
    assert.deepEqual(await followed(() => fetchModel(NAME)), []);
  });
});

describe("a download", () => {
  it("goes on where a connection broke", async () => {
    server.drops = [100_000, 300_000];
    await loadModel(NAME);
    const ranges = server.requests.flatMap((request) => request.match(/ bytes=([1-9]\d*)-/)?.[1] ?? []);
    // Each is asked of the hub and, after its redirection, of the storage.
    assert.deepEqual([...new Set(ranges)], ["100000", "400000"]);
  });

  it("goes on in the next attempt, from what a process that was killed has left too", async () => {
    // Process ids end at 2²².
    fs.mkdirSync(inCache("blobs"), { recursive: true });
    const left = inCache("blobs", `${sha256(weights)}.99999999-0a1b2c3d.incomplete`);
    fs.writeFileSync(left, weights.subarray(0, 500_000));
    const [download] = await followed(() => loadModel(NAME));
    assert.equal(download!.resumed, 500_000);
    assert.equal(download!.done, download!.total);
    assert.ok(server.requests.some((request) => request.includes("bytes=500000-")));
    assert.ok(!fs.existsSync(left));
  });

  it("leaves alone what a running process is writing", async () => {
    fs.mkdirSync(inCache("blobs"), { recursive: true });
    // Ours elsewhere, and huggingface_hub.
    const theirs = [`.${process.ppid}-0a1b2c3d.incomplete`, ".incomplete"].map((end) =>
      inCache("blobs", sha256(weights) + end),
    );
    for (const path of theirs) fs.writeFileSync(path, weights.subarray(0, 1000));
    await loadModel(NAME);
    for (const path of theirs) assert.equal(fs.statSync(path).size, 1000);
  });

  it("stops with the cell, and keeps what has come", async () => {
    const stopping = new AbortController();
    (globalThis as any)[Symbol.for("Jupyter.signal")] = stopping.signal;
    server.drops = [200_000];
    const stop = observeDownloads({
      begin: (download) => ({
        step: () => void (download.done > 400_000 && stopping.abort()),
        end() {},
      }),
    });
    await assert.rejects(loadModel(NAME), { name: "AbortError" });
    stop();
    const [part] = blobs().filter((name) => name.endsWith(".incomplete"));
    assert.equal(part, `${sha256(weights)}.left.incomplete`);
    delete (globalThis as any)[Symbol.for("Jupyter.signal")];
    const [download] = await followed(() => loadModel(NAME));
    assert.ok(download!.resumed > 0);
  });

  it("is refused when its contents are not what the hub's hash says", async () => {
    server.corrupt = true;
    await assert.rejects(
      loadModel(NAME),
      new RegExp(`model\\.safetensors: what arrived has the hash \\w{64}, the hub says ${sha256(weights)}`),
    );
    assert.ok(!blobs().some((name) => name.startsWith(sha256(weights))));
    server.corrupt = false;
    await loadModel(NAME);
  });

  it("starts again when what an earlier one left is of another file", async () => {
    fs.mkdirSync(inCache("blobs"), { recursive: true });
    fs.writeFileSync(
      inCache("blobs", `${sha256(weights)}.left.incomplete`),
      Buffer.alloc(weights.length + 1),
    );
    await loadModel(NAME);
  });

  it("serves two who ask at once", async () => {
    const [a, b] = await Promise.all([loadModel(NAME), loadModel(NAME)]);
    assert.deepEqual([...a.weights], [...b.weights]);
    assert.ok(!blobs().some((name) => name.endsWith(".incomplete")));
  });
});

describe("access to the hub", () => {
  beforeEach(() => {
    model.gate = "hf_rightful";
  });

  it("to a gated model wants a token, and the error says how to get one", async () => {
    await assert.rejects(
      loadModel(NAME),
      (error: Error) =>
        error.message.startsWith(`${NAME} is gated or private, or there is no such model.`) &&
        error.message.includes(`${server.endpoint}/${NAME}`) &&
        error.message.includes("HF_TOKEN") &&
        error.message.includes(path.join(home, "token")) &&
        error.message.includes("Access to model someone/Nano-0.2M is restricted"),
    );
    process.env.HF_TOKEN = "hf_stranger";
    await assert.rejects(
      loadModel(NAME),
      /your token gives no access to someone\/Nano-0\.2M\. Ask for it at/,
    );
  });

  it("has the token of the environment, and sends it to the hub only", async () => {
    process.env.HF_TOKEN = "hf_rightful";
    await loadModel(NAME); // the storage refuses requests with a token
  });

  it("has the token of the file that logging in leaves", async () => {
    fs.writeFileSync(path.join(home, "token"), "hf_rightful\n");
    await loadModel(NAME);
    fs.rmSync(path.join(home, "hub"), { recursive: true });
    fs.renameSync(path.join(home, "token"), path.join(home, "secret"));
    process.env.HF_TOKEN_PATH = path.join(home, "secret");
    await loadModel(NAME);
  });

  it("to what is not there ends with what was looked for", async () => {
    await assert.rejects(
      loadModel("someone/nothing"),
      /someone\/nothing is gated or private, or there is no such/,
    );
    process.env.HF_TOKEN = "hf_rightful";
    await assert.rejects(
      loadModel("someone/nothing"),
      /there is no model someone\/nothing with a revision main at/,
    );
    await assert.rejects(loadModel(NAME, { revision: "v9" }), /Nano-0\.2M with a revision v9 at http/);
    model.commits[COMMIT] = new Map(whole);
    model.commits[COMMIT].delete("model.safetensors");
    await assert.rejects(
      loadModel(NAME),
      /expected model\.safetensors or model\.safetensors\.index\.json on the hub, found .*pytorch_model\.bin.* weights in safetensors/,
    );
  });
});

describe("without a network", () => {
  it("what is in the cache is found, also under HF_HUB_OFFLINE", async () => {
    const folder = await fetchModel(NAME);
    await server.stop();
    assert.equal(await fetchModel(NAME), folder);
    process.env.HF_HUB_OFFLINE = "1";
    assert.equal(await fetchModel(NAME), folder);
  });

  it("what is not in the cache ends in an error that tells of folders", async () => {
    const ways =
      /give loadModel the path of a folder with config\.json, tokenizer\.json and model\.safetensors: "hf download someone\/Nano-0\.2M --local-dir FOLDER"/;
    process.env.HF_HUB_OFFLINE = "1";
    await assert.rejects(loadModel(NAME), /is not in the cache .* HF_HUB_OFFLINE forbids to fetch it/);
    await assert.rejects(loadModel(NAME), ways);
    assert.deepEqual(server.requests, []);
    delete process.env.HF_HUB_OFFLINE;
    await server.stop();
    await assert.rejects(
      loadModel(NAME),
      /is no folder here, and http:.* could not be asked for it \(.*ECONNREFUSED/,
    );
    await assert.rejects(loadModel(NAME), ways);
  });

  it("half a model in the cache is none", async () => {
    await fetchModel(NAME);
    fs.rmSync(inCache("snapshots", COMMIT, "model.safetensors"));
    process.env.HF_HUB_OFFLINE = "1";
    await assert.rejects(loadModel(NAME), /is not in the cache/);
  });
});

describe("the name of a model on the hub", () => {
  it("is two words with a slash between; all else is a folder or a model that comes with loralab", async () => {
    for (const name of ["Qwen/Qwen2.5-0.5B", "meta-llama/Llama-3.2-1B", "a/b"])
      assert.ok(isHubName(name), name);
    for (const name of ["nano", "./a/b", "../b", "/a/b", "a/b/c", "a/", "a/..", "C:\\a", "~/a"])
      assert.ok(!isHubName(name), name);
    await assert.rejects(
      loadModel("./no/folder"),
      /no model "\.\/no\/folder": expected a folder with config\.json/,
    );
    assert.deepEqual(server.requests, []);
  });

  it("is not asked for where a folder has it", async () => {
    const before = process.cwd();
    process.chdir(home);
    try {
      fs.cpSync(nano, path.join(home, NAME), { recursive: true });
      assert.equal((await loadModel(NAME)).name, "Nano-0.2M");
    } finally {
      process.chdir(before);
    }
    assert.deepEqual(server.requests, []);
  });
});
