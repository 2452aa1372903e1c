/** The errors of weights as a table, the largest first. */
import type { WeightErrors } from "../adapters/weight-errors";
import { columns, percent, short } from "../measure/format";
import { bundle, type MimeBundle } from "./bundle";
import { card, html, table } from "./html";

const HEADS = ["matrix", "largest error", "RMS error / RMS size"];

export function weightErrorsBundle({ of, rows, maximum, relative }: WeightErrors): MimeBundle {
  const title = `Errors of ${of}: at most ${short(maximum)}, ${percent(relative)} of the root mean square`;
  const sorted = [...rows].sort((p, q) => q.relative - p.relative);
  const body = sorted.map((row) => [row.path, short(row.maximum), percent(row.relative)]);
  return bundle(
    [title, "", columns([HEADS, ...body], "lrr")].join("\n"),
    card(
      html`<p class="title"><b>${title}</b></p>`,
      table(
        HEADS.map((head, i) => ({ head, number: i > 0 })),
        body.map((cells) => ({ cells })),
      ),
    ),
  );
}
