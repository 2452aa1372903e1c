/**
 * Every tutorial run by nbclient shows the texts that it shows when this package runs it. LORALAB_EXECUTED names a folder
 * where `loralab notebooks --fast --out` has put its copies; without it they are made here.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packageRoot } from "../../kernel/entry";
import { installKernelspec } from "../../kernel/install";
import { type Cell, readNotebook } from "../../kernel/nbformat";
import { runNotebook } from "../../kernel/notebooks";
import { reference } from "../interop/python";

const NAME = "loralab-interop";
const FOLDER = join(packageRoot(), "notebooks");

describe("notebooks against nbclient", function () {
  this.timeout(3_600_000);
  const prefix = mkdtempSync(join(tmpdir(), "loralab-nbclient-"));
  const environment = { ...process.env };

  before(() => {
    installKernelspec(NAME, { kind: "prefix", prefix });
    Object.assign(process.env, {
      JUPYTER_PATH: join(prefix, "share", "jupyter"),
      LORALAB_FAST: "1",
      LORALAB_RUNS: join(prefix, "runs"),
    });
  });
  after(() => {
    process.env = environment;
    rmSync(prefix, { recursive: true });
  });

  for (const name of readdirSync(FOLDER).filter((file) => file.endsWith(".ipynb")))
    it(`${name}: no error, and the same texts`, async () => {
      const file = join(FOLDER, name);
      const theirs = reference("../tutorials/nbclient_run.py", NAME, file);
      const out = join(process.env.LORALAB_EXECUTED ?? prefix, name);
      if (!process.env.LORALAB_EXECUTED) {
        const { failure } = await runNotebook(file, { out, fast: true });
        assert.equal(failure, undefined);
      }
      const [expected, ours] = [join(theirs, name), out].map((path) => readNotebook(path).cells.map(texts));
      assert.ok(expected!.flat().length > 0);
      assert.deepEqual(ours, expected);
      rmSync(theirs, { recursive: true });
    });
});

/**
 * The texts of a cell's outputs, in order, streams in one piece. Durations and speeds are left out, since they are never the
 * same; of a cell whose metadata says that it is timed, all but the kinds, since a verdict may hang on the time.
 */
function texts({ outputs = [], metadata }: Cell): string[] {
  const isTimed = (metadata.loralab as { timed?: boolean } | undefined)?.timed === true;
  const changing = isTimed ? /(?<=: ).*/s : /[\d,]*\d(\.\d+)? (ms|s|min|tokens\/s)\b|\b\d+:\d\d\b/g;
  const all: string[] = [];
  let last = "";
  for (const output of outputs as any[]) {
    const text = [output.text ?? output.data?.["text/plain"] ?? ""].flat().join("");
    const kind = `${output.output_type} ${output.name ?? ""}`;
    if (output.output_type === "stream" && kind === last) all[all.length - 1] += text;
    else all.push(`${output.output_type}: ${text}`);
    last = kind;
  }
  return all.map((text) => text.replace(changing, "…"));
}
