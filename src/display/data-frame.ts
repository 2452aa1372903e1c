/** Tables as danfo's DataFrame. danfo is heavy, so it is loaded when a table is first asked for. */
import type { DataFrame } from "danfojs-node";

export type { DataFrame };

/** danfo tells a column's type by its values, and knows of no null among numbers: NaN stands for what is missing. */
export function dataFrame(rows: readonly (readonly unknown[])[], columns: readonly string[]): DataFrame {
  const danfo = require("danfojs-node") as typeof import("danfojs-node");
  return new danfo.DataFrame(rows as unknown[][], { columns: [...columns] });
}
