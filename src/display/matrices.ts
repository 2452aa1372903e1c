/** A, B, ΔW and W of one module as pictures. */
import type { HostArray } from "../engine";
import { short } from "../measure/format";
import { type Adapted, updatesOf } from "../measure/updates";
import type { Figure } from "./figure";
import { heatMap } from "./heat-map";

/** As many cells along a side as a screen shows and a notebook's file bears. */
const CELLS = 64;

/**
 * One matrix of a module as a heat map: "W", its update "ΔW", or where the method keeps it in factors "A" [r, in] and
 * "B" [out, r], B with its scale. Large matrices are shown in blocks, each by its value of largest magnitude.
 * @param path of the module, or the end of one: "layers.0.self_attn.q_proj"
 * @throws for a module that the adapter in use does not change (lists those that it does), and for a factor that the
 *   method does not have
 */
export function matrixMap(model: Adapted, path: string, which: "W" | "ΔW" | "A" | "B" = "ΔW"): Figure {
  const updates = updatesOf(model);
  const update = updates.find((one) => one.path === path || one.path.endsWith(`.${path}`));
  if (!update) {
    const some = updates.slice(0, 4).map((one) => one.path);
    throw new Error(
      `matrixMap: the adapter does not change ${JSON.stringify(path)}; it changes ${some.join(", ")}` +
        `${updates.length > some.length ? ` and ${updates.length - some.length} more` : ""}`,
    );
  }
  const { factors } = update;
  if ((which === "A" || which === "B") && !factors)
    throw new Error(`matrixMap: this method has no factor ${which}: choose "W" or "ΔW"`);
  const matrix = { W: () => update.before, ΔW: update.delta, A: () => factors!.a, B: () => factors!.b }[
    which
  ]();
  const { values, rows, columns } = blocks(matrix);
  const largest = (matrix.data as Float32Array).reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  const [out, inputs] = matrix.shape;
  return heatMap({
    title: `${which} of ${update.path}, ${out}×${inputs}: at most ${short(largest)} in magnitude`,
    values,
    rows,
    columns,
    axes: { x: "column", y: "row", value: "value" },
    signed: true,
  });
}

/** The matrix in at most CELLS × CELLS blocks, each its element of largest magnitude, with the number of its first row and column. */
function blocks({ data, shape }: HostArray) {
  const [rows, columns] = shape as [number, number];
  const cut = (size: number) => {
    const count = Math.min(size, CELLS);
    return Array.from(
      { length: count },
      (_, i) => [Math.floor((i * size) / count), Math.floor(((i + 1) * size) / count)] as const,
    );
  };
  const [down, across] = [cut(rows), cut(columns)];
  const values = down.map(([top, bottom]) =>
    across.map(([left, right]) => {
      let most = 0;
      for (let i = top; i < bottom; i++) {
        for (let j = left; j < right; j++) {
          const x = data[i * columns + j]!;
          if (Math.abs(x) > Math.abs(most)) most = x;
        }
      }
      return most;
    }),
  );
  const names = (parts: readonly (readonly [number, number])[]) => parts.map(([from]) => String(from));
  return { values, rows: names(down), columns: names(across) };
}
