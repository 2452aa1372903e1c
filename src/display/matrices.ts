/** A, B, ΔW and W of one module as pictures. */
import type { HostArray } from "../engine";
import { percent, short } from "../measure/format";
import { spectrumOf } from "../measure/spectra";
import { type Adapted, updateOf } from "../measure/updates";
import type { Figure } from "./figure";
import { sideBySide } from "./panels";
import { placeName } from "./place";

/** As many cells along a side as a screen shows and a notebook's file bears. */
const CELLS = 64;

type Which = "W" | "ΔW" | "B" | "A";

/**
 * The matrices of a module side by side as heat maps: W [out, in], its update ΔW, and where the method keeps it in factors
 * B [out, r], with its scale, and A [r, in]; or one of them alone. Each has the colours of its own largest value. Large
 * matrices are shown in blocks, each by its value of largest magnitude.
 * @param path of the module, or the end of one: "layers.0.self_attn.q_proj"
 * @throws for a module that the adapter in use does not change (lists those that it does), and for a factor that the
 *   method does not have
 */
export function matrixMap(model: Adapted, path: string, which?: Which): Figure {
  const update = updateOf(model, path);
  const { before, factors } = update;
  if ((which === "A" || which === "B") && !factors)
    throw new Error(`matrixMap: this method has no factor ${which}: choose "W" or "ΔW"`);
  const { norm, relativeNorm, effectiveRank, values } = spectrumOf(update);
  const matrices: [Which, HostArray][] = [
    ["W", before],
    ["ΔW", update.delta()],
    ...(factors
      ? ([
          ["B", factors.b],
          ["A", factors.a],
        ] as [Which, HostArray][])
      : []),
  ];
  const finding =
    norm === 0
      ? "has not changed yet: ΔW = 0"
      : `changed by ${percent(relativeNorm)} of its norm, in about ${short(Number(effectiveRank.toFixed(1)))} of ` +
        `${values.length} directions`;
  return sideBySide({
    title: `${placeName(update.path)} ${finding}`,
    value: "value",
    signed: true,
    panels: matrices
      .filter(([name]) => which === undefined || name === which)
      .map(([name, matrix]) => {
        const largest = (matrix.data as Float32Array).reduce((most, x) => Math.max(most, Math.abs(x)), 0);
        return {
          name: `${name} ${matrix.shape.join("×")}, within ±${short(largest)}`,
          ...blocks(matrix),
          axes: { x: "column", y: "row" },
          largest,
        };
      }),
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
