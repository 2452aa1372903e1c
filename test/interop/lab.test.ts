/** Our server beside jupyter_server: the same requests, the same answers. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { TOKEN, temporaryFolder, useLab } from "../lab/support";

describe("lab beside jupyter_server", () => {
  const lab = useLab();
  const out = temporaryFolder();
  const read = (name: string) => JSON.parse(fs.readFileSync(path.join(out, `${name}.json`), "utf8"));

  before(async () => {
    const { PYTHON } = process.env;
    if (!PYTHON) throw new Error("Set PYTHON to an interpreter that has jupyter_server and ipykernel.");
    // Not synchronous: the server under test runs in this very process.
    await promisify(execFile)(PYTHON, [path.join(__dirname, "lab_reference.py"), out, lab.origin, TOKEN]);
  });
  after(() => fs.rmSync(out, { recursive: true }));

  it("answers every request of contents, checkpoints, kernels and sessions as it does", () => {
    const [ours, reference] = [read("ours"), read("reference")];
    const differing = (log: unknown[], other: unknown[]) =>
      log.filter((entry, i) => JSON.stringify(entry) !== JSON.stringify(other[i]));
    assert.deepEqual(differing(ours, reference), differing(reference, ours));
    assert.ok(reference.length > 50 && reference.length === ours.length);
  });

  it("saves notebooks that nbformat finds valid and would write byte for byte", () => {
    const { ours, nbformat } = read("saved");
    assert.equal(ours, nbformat);
  });
});
