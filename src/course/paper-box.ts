/** The box at the end of an experiment: what the paper found, what this run found, and why the two may differ. */
import { bundle, DISPLAY, type Displayable } from "../display/bundle";
import { card, html, table } from "../display/html";
import { columns } from "../measure/format";

const VERDICTS = {
  held: "It held here.",
  partly: "It held here in part.",
  "not reproduced": "It was not reproduced here.",
};

/** Whether the claim held in this run. */
export type Verdict = keyof typeof VERDICTS;

export interface PaperBox {
  /** The claim in one sentence. */
  claim: string;
  /** Who makes it: authors, year, and the place in the text. */
  source: string;
  /** What they measured, with their numbers. */
  paper: string;
  /** What this run measured, put together from its own numbers. */
  found: string;
  /** Why the two may differ: model, data, length, number of seeds. */
  differs: string;
  /** Computed from the numbers too, so that it is true of every run. */
  holds: Verdict;
}

/**
 * A table of two findings and what lies between them.
 * @throws naming the part that is missing, or the verdict that is none
 */
export function paperBox(box: PaperBox): Displayable {
  for (const part of ["claim", "source", "paper", "found", "differs"] as const)
    if (typeof box[part] !== "string" || box[part].trim() === "")
      throw new Error(`paperBox: expected a sentence as "${part}", got ${JSON.stringify(box[part])}.`);
  const verdict = VERDICTS[box.holds];
  if (verdict === undefined)
    throw new Error(
      `paperBox: expected "holds" to be one of ${Object.keys(VERDICTS).join(", ")}, got ${JSON.stringify(box.holds)}.`,
    );
  const rows = [
    ["The paper found", `${box.paper} (${box.source})`],
    ["You found", box.found],
    ["Did it hold?", verdict],
    ["Why they may differ", box.differs],
  ];
  return {
    [DISPLAY]: () =>
      bundle(
        `Claim: ${box.claim}\n${columns(rows, "ll")}`,
        card(
          table(
            [
              { head: html`<span class="claim">Claim</span>` },
              { head: html`<span class="claim">${box.claim}</span>` },
            ],
            rows.map(([name, text]) => ({ cells: [html`<b class="n">${name}</b>`, text] })),
          ),
        ),
      ),
  };
}
