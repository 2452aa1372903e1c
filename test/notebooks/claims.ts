/** The tables of notebooks/README.md: the course, and the article's claims with what was measured. */

export interface Claim {
  claim: string;
  where: string;
  measured: string;
  held: string;
}

/** What may stand in the last column; a dash while nothing was measured. */
export const OUTCOMES = ["held", "partly", "not reproduced", "–"];

/** The rows of the table under a heading, each as its cells. */
export function rowsUnder(heading: string, markdown: string): string[][] {
  const [, section] = markdown.split(new RegExp(`^## ${heading}$`, "m"));
  if (section === undefined) throw new Error(`expected a section "## ${heading}"`);
  const lines = section
    .split(/^## /m)[0]!
    .split("\n")
    .filter((line) => line.startsWith("|"));
  return lines.slice(2).map((line) =>
    line
      .replace(/^\||\|$/g, "")
      .split("|")
      .map((cell) => cell.trim()),
  );
}

export function claimsOf(markdown: string): Claim[] {
  return rowsUnder("What the article claims, and what we measured", markdown).map(
    ([claim, where, measured, held]) => ({
      claim: claim!,
      where: where!,
      measured: measured!,
      held: held!,
    }),
  );
}
