import assert from "node:assert/strict";
import { full, lora } from "../../src/adapters";
import { DISPLAY, type Figure } from "../../src/display";
import { Sweep } from "../../src/runs";
import type { Trials } from "../../src/runs/sweep-result";
import type { Run } from "../../src/train/run";
import { runOf, tinyModel } from "./models";

const base = tinyModel();
/** Without the breaks of long lines. */
const title = ({ layout }: Figure) => (layout.title as { text: string }).text.replaceAll("<br>", " ");

/** A run that ends at these values. */
function run(values: Record<string, number>, method = lora({ rank: 2 })): Run {
  const made = runOf(base.attach(method), [1]);
  made.status = "finished";
  made.evaluations.push({ step: 1, values, milliseconds: 1 });
  return made;
}
const cell = (point: Trials["point"], losses: number[], failures: Trials["failures"] = []): Trials => ({
  method: "lora",
  point,
  runs: losses.map((loss) => run({ loss, answers: 1 / loss })),
  failures,
});
const square = new Sweep(
  "x",
  ["rank", "learningRate"],
  [
    cell({ rank: 1, learningRate: 1e-3 }, [4, 4]),
    cell({ rank: 1, learningRate: 1e-2 }, [2, 2]),
    cell({ rank: 8, learningRate: 1e-3 }, [1], [{ seed: 1, reason: "no number" }]),
    cell({ rank: 8, learningRate: 1e-2 }, []),
  ],
  9,
);

describe("figures of a sweep", () => {
  it("maps a measure over two axes, says where it is lowest, and marks no cell in which a trial failed", () => {
    const figure = square.map();
    const [heat] = figure.data;
    assert.deepEqual(heat!.x, ["0.001", "0.01"]);
    assert.deepEqual(heat!.y, ["1", "8"]);
    assert.deepEqual(heat!.z, [
      [4, 2],
      [1, null],
    ]);
    assert.deepEqual([heat!.zmin, heat!.zmax], [1, 4]);
    assert.equal(
      title(figure),
      "lowest held-out loss 2.000 ± 0 (n = 2) at rank 1, learningRate 0.01; 1 trial failed; stopped with 3 trials to go",
    );
    assert.match((heat!.text as string[][])[1]![0]!, /1\.000 \(n = 1\)<br>seed 1 failed: no number/);
    assert.match(
      title(square.map("answers")),
      /^lowest answers 0\.250 .* highest 0\.500 ± 0 \(n = 2\) at rank 1, learningRate 0\.01/,
    );
    assert.deepEqual(square.map("answers", { x: "rank" }).data[0]!.x, ["1", "8"]);
    assert.throws(
      () => square.map("bleu"),
      /no measure "bleu": expected training loss, held-out loss, answers/,
    );
    assert.throws(
      () => square.map(undefined, { x: "alpha" }),
      /axis "alpha": expected one of rank, learningRate/,
    );
  });

  it("colours by the logarithm where one cell is far from the others", () => {
    const wide = new Sweep(
      "x",
      ["a", "b"],
      [cell({ a: 1, b: 1 }, [100]), cell({ a: 2, b: 1 }, [1]), cell({ a: 1, b: 2 }, [1])],
      3,
    );
    assert.deepEqual(wide.map().data[0]!.z, [
      [2, 0],
      [0, null],
    ]);
  });

  it("draws dots with intervals where there is one axis", () => {
    const line = new Sweep("x", ["rank"], [cell({ rank: 1 }, [1, 2, 3]), cell({ rank: 16 }, [1, 1, 1])], 6);
    const [dots] = line.map().data;
    assert.deepEqual(dots!.x, [1, 16]);
    assert.deepEqual(dots!.y, [2, 1]);
    // t of two degrees of freedom over √3.
    assert.ok(Math.abs((dots!.error_y as { array: number[] }).array[0]! - 4.3027 / Math.sqrt(3)) < 1e-3);
    assert.equal((line.map().layout.xaxis as { type: string }).type, "log");
    const methods = new Sweep(
      "x",
      [],
      [cell({}, [2]), { ...cell({}, [3]), method: "full", runs: [run({ loss: 3 }, full())] }],
      2,
    );
    assert.deepEqual(methods.map().data[0]!.x, ["lora", "full"]);
    assert.equal(title(methods.map()), "lowest held-out loss 2.000 (n = 1) at lora");
  });

  it("lays all axes and measures side by side", () => {
    const [lines] = square.parallel.data;
    const all = lines!.dimensions as { label: string; values: number[]; ticktext?: string[] }[];
    assert.deepEqual(
      all.map(({ label }) => label),
      ["rank", "learningRate", "training loss", "held-out loss", "answers"],
    );
    assert.deepEqual(all[0]!.ticktext, ["1", "8"]);
    assert.deepEqual(all[0]!.values, [0, 0, 1]);
    assert.deepEqual(all[3]!.values, [4, 2, 1]);
  });

  it("reads as text and a table where there is no Plotly", () => {
    const shown = square[DISPLAY]();
    assert.match(
      shown["text/plain"],
      /rank +learningRate +seeds +training loss +held-out loss +answers\n +1 +0\.001 +2 /,
    );
    assert.match(shown["text/plain"], /rank 8, learningRate 0\.001, seed 1 failed: no number/);
    assert.match(shown["text/html"]!, /<table>.*2\.000 ± 0/s);
    const none = new Sweep("x", [], [cell({}, [], [{ seed: 0, reason: "no number" }])], 1);
    assert.match(
      none[DISPLAY]()["text/plain"],
      /no cell is complete; 1 trial failed\n.*\n.*\nlora, seed 0 failed: no number/,
    );
  });
});
