/** A run's steps as a danfo DataFrame, and DataFrames as tables. danfo is heavy, so it is loaded when first asked for. */
import type { DataFrame } from "danfojs-node";
import type { Run } from "../train/run";
import { attach, bundle, type MimeBundle } from "./bundle";
import { columns, counted, integer, short } from "./format";
import { card, html, table } from "./html";

const COLUMNS = ["step", "loss", "learningRate", "gradientNorm", "tokens", "milliseconds"] as const;

/** One row per step: step, loss, learningRate, gradientNorm, tokens, milliseconds. Evaluations are in `run.evaluations`. */
export function runTable(run: Run): DataFrame {
  const danfo = require("danfojs-node") as typeof import("danfojs-node");
  attach(danfo.DataFrame.prototype, dataFrame);
  const rows = run.steps.map((step) => COLUMNS.map((name) => step[name]));
  return new danfo.DataFrame(rows, { columns: [...COLUMNS] });
}

/** Rows at either end of a long table. */
const ENDS = 5;

function dataFrame(frame: DataFrame): MimeBundle {
  const rows = (frame.values as unknown[][]).map((row, i) => [String(frame.index[i]), ...row.map(cell)]);
  const shown =
    rows.length <= 2 * ENDS + 1
      ? rows
      : [...rows.slice(0, ENDS), rows[0].map(() => "…"), ...rows.slice(-ENDS)];
  const heads = ["", ...frame.columns];
  const size = `${counted(rows.length, "row")} × ${counted(frame.columns.length, "column")}`;
  const text = `${columns([heads, ...shown], "r".repeat(heads.length))}\n${size}`;
  return bundle(
    text,
    card(
      table(
        heads.map((head) => ({ head, number: true })),
        shown.map((cells) => ({ cells })),
      ),
      html`<p class="faint">${size}</p>`,
    ),
  );
}

function cell(value: unknown): string {
  if (typeof value !== "number") return String(value ?? "");
  return Number.isInteger(value) ? integer(value) : short(value);
}
