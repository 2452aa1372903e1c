/** Tables in a page: danfo is not among what it loads. */
import type { DataFrame } from "./data-frame";

export type { DataFrame };

export function dataFrame(_rows: readonly (readonly unknown[])[], _columns: readonly string[]): DataFrame {
  throw new Error("A page has no DataFrame: take figure.csv, run.steps or the other plain values.");
}
