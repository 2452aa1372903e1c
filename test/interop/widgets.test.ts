import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { widgetModels } from "../../kernel/child/widgets/models";
import { installKernelspec } from "../../kernel/install";
import { readNotebook } from "../../kernel/nbformat";
import { models } from "../kernel/front-end";
import { temporaryFolder, useKernel } from "../kernel/support";
import { reference } from "./python";

const names = Object.keys(widgetModels);

describe("widgets against ipywidgets", () => {
  const kernel = useKernel();

  it("begin with the same state, field by field", async () => {
    const out = reference("widgets_reference.py", ...names);
    const expected = JSON.parse(fs.readFileSync(path.join(out, "models.json"), "utf8"));
    await kernel.client.execute(names.map((name) => `new widgets.${name}()`).join(";\n"));
    const states = [...models(kernel.client)];
    const modelName = new Map(states.map(([id, state]) => [`IPY_MODEL_${id}`, state._model_name]));
    const ours = new Map<string, any>();
    for (const [, state] of states) {
      for (const part of ["layout", "style"]) if (part in state) state[part] = modelName.get(state[part]);
      ours.set(state._model_name, state);
    }
    assert.equal(ours.size, names.length + 8, "with a layout and seven styles");
    assert.deepEqual(Object.fromEntries(ours), expected);
  });

  it("are kept by nbclient in a notebook that is valid and readable", () => {
    const folder = temporaryFolder();
    const file = path.join(folder, "widgets.ipynb");
    installKernelspec("loralab", { kind: "prefix", prefix: folder });
    const cells = [
      "const out = new widgets.Output(); out",
      "interact(({ rank }) => { console.log('rank', rank); return rank * 2 }, { rank: [1, 7] })",
      "for (const _ of progress([1, 2], { label: 'steps' })); out.append('later')",
    ].map((source, i) => ({
      cell_type: "code",
      id: `c${i}`,
      metadata: {},
      source,
      outputs: [],
      execution_count: null,
    }));
    const kernelspec = { name: "loralab", display_name: "TypeScript (loralab)", language: "typescript" };
    fs.writeFileSync(
      file,
      JSON.stringify({ nbformat: 4, nbformat_minor: 5, metadata: { kernelspec }, cells }),
    );
    const run =
      "import sys, nbformat, nbclient; nb = nbformat.read(sys.argv[1], 4); " +
      "nbclient.NotebookClient(nb).execute(); nbformat.validate(nb); nbformat.write(nb, sys.argv[1])";
    const env = { ...process.env, JUPYTER_PATH: path.join(folder, "share", "jupyter") };
    execFileSync(process.env.PYTHON!, ["-c", run, file], { env, stdio: ["ignore", "inherit", "pipe"] });
    const notebook = readNotebook(file);
    const texts = notebook.cells.map(({ outputs }) =>
      outputs!.map(({ data }) => [(data as any)["text/plain"]].flat().join("")),
    );
    assert.deepEqual(texts[1], [
      "VBox(children: [ IntSlider(description: 'rank', min: 1, max: 7, value: 4) ])",
      "rank 4\n",
      "8",
    ]);
    assert.match(texts[2]!.join(), /^steps: █+ 2\/2 · \d:\d\d$/);
    const { state } = (notebook.metadata.widgets as any)["application/vnd.jupyter.widget-state+json"];
    const kept = Object.values<any>(state).map(({ model_name, state }) => [model_name, state]);
    const output = kept.find(([name]) => name === "OutputModel")![1];
    assert.deepEqual(output.outputs.at(-1).data, { "text/plain": "'later'" });
    assert.ok(kept.some(([name, { value }]) => name === "IntSliderModel" && value === 4));
    fs.rmSync(folder, { recursive: true });
  });
});
