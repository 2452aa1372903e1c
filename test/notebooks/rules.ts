/**
 * What every tutorial promises to its reader, as rules that a program can check: each takes a notebook and says what is
 * wrong with it, or nothing.
 */
import fs from "node:fs";
import path from "node:path";
import { type Cell, type Notebook, type Output, sourceText } from "../../kernel/nbformat";

export interface Tutorial {
  /** Without its folder and ending: "03-lora-from-scratch". */
  name: string;
  /** Where relative links start. */
  folder: string;
  bytes: number;
  notebook: Notebook;
}

type Rule = (tutorial: Tutorial) => string[];

const MOST_LINES = 25;
const MOST_BYTES = 2_000_000;

/** Where a reader may be sent. An address of another kind is added here once somebody has opened it. */
const ADDRESSES = [
  /^https:\/\/arxiv\.org\/abs\/\d{4}\.\d{4,5}(v\d+)?$/,
  /^https:\/\/doi\.org\/10\.\d{4,9}\/\S+$/,
  /^https:\/\/openreview\.net\/forum\?id=[\w-]+$/,
  /^https:\/\/aclanthology\.org\/[\w.-]+\/$/,
  /^https:\/\/proceedings\.(mlr\.press|neurips\.cc)\/\S+$/,
  /^https:\/\/jmlr\.org\/papers\/\S+$/,
  /^https:\/\/thinkingmachines\.ai\/blog\/[\w-]+\/$/,
  /^https:\/\/(magazine\.)?sebastianraschka\.com\/\S+$/,
  /^https:\/\/apxml\.com\/courses\/\S+$/,
  /^https:\/\/huggingface\.co\/(docs\/|papers\/|blog\/)?[\w./-]+(#[\w.-]+)?$/,
  /^https:\/\/github\.com\/[\w.-]+\/[\w.-]+(\/(blob|tree)\/\S+)?$/,
  /^https:\/\/(js\.tensorflow|pytorch|jupyter|jupyterlab\.readthedocs|onnxruntime|www\.typescriptlang)\.(org|io|ai)\/\S*$/,
  /^https:\/\/en\.wikipedia\.org\/wiki\/[\w()%,.–-]+$/,
];

/** A path of somebody's machine. */
const MACHINE_PATH =
  /(?:^|[\s"'`(:=])(?:file:\/\/)?(?:\/(?:home|root|Users|work|tmp|var|usr|opt|mnt)\/[\w.-]+|[A-Z]:\\\\?[\w.-]+)/;

const codeCells = ({ notebook }: Tutorial) =>
  notebook.cells.filter((cell) => cell.cell_type === "code" && sourceText(cell).trim() !== "");

export const prose = ({ cells }: Notebook): string =>
  cells
    .filter((cell) => cell.cell_type === "markdown")
    .map(sourceText)
    .join("\n\n");

const joined = (value: unknown) => (Array.isArray(value) ? value.join("") : String(value ?? ""));

const where = (cell: Cell) => `cell "${cell.id}"`;

/** Title, goal, minutes and prerequisites, for the shelf and for the reader. */
export const head: Rule = ({ name, notebook }) => {
  const { title, summary, minutes, prerequisites } = (notebook.metadata.loralab ?? {}) as Record<
    string,
    unknown
  >;
  const first = notebook.cells[0]?.cell_type === "markdown" ? sourceText(notebook.cells[0]) : "";
  const problems: string[] = [];
  const expect = (holds: boolean, what: string) => {
    if (!holds) problems.push(what);
  };
  for (const [key, value] of Object.entries({ title, summary }))
    expect(typeof value === "string" && value !== "", `metadata loralab.${key} should be a text`);
  expect(Number.isInteger(minutes), "metadata loralab.minutes should be a whole number, as --full writes it");
  expect(
    Array.isArray(prerequisites) && prerequisites.every((one) => /^\d\d-[a-z0-9-]+$/.test(one)),
    'metadata loralab.prerequisites should be a list of notebooks, such as ["01-two-phases"]',
  );
  const number = Number(/^(\d\d)-[a-z0-9-]+$/.exec(name)?.[1] ?? Number.NaN);
  expect(!Number.isNaN(number), "the name should be two digits and words: 03-lora-from-scratch");
  expect(first.startsWith(`# ${number} · ${title}\n`), `the first line should be "# ${number} · ${title}"`);
  expect(/\*\*Goal\.\*\* \S/.test(first), 'the first cell should say "**Goal.** …"');
  expect(first.includes(`**Minutes.** ${minutes} `), `the first cell should say "**Minutes.** ${minutes} …"`);
  expect(/\*\*Prerequisites\.\*\* \S/.test(first), 'the first cell should say "**Prerequisites.** …"');
  return problems;
};

/** A guess before a run, exercises with hints and a folded solution, further reading. */
export const parts: Rule = (tutorial) => {
  const text = prose(tutorial.notebook);
  const code = codeCells(tutorial).map(sourceText).join("\n");
  const problems: string[] = [];
  const expect = (holds: boolean, what: string) => {
    if (!holds) problems.push(what);
  };
  const count = (pattern: RegExp) => code.match(pattern)?.length ?? 0;
  expect(count(/\bpredict\(/g) > 0, "should ask for a guess: predict(…)");
  expect(
    count(/\bpredict\(/g) <= count(/\.reveal\(/g),
    "should reveal the outcome of each guess: guess.reveal(…)",
  );
  expect(count(/\bcheck\(/g) > 0, "should check what it states: check(…)");
  expect(/^## Exercises$/m.test(text), 'should have a section "## Exercises"');
  expect(/<summary>Hint/.test(text), "should have a hint: <details><summary>Hint 1</summary>…</details>");
  expect(
    /<summary>Solution/.test(text),
    "should have a folded solution: <details><summary>Solution</summary>…",
  );
  expect(
    (text.match(/<details>/g)?.length ?? 0) === (text.match(/<\/details>/g)?.length ?? 0),
    "should close every <details>",
  );
  expect(/^## Further reading$/m.test(text), 'should have a section "## Further reading"');
  if (/\btrain\(/.test(code))
    expect(
      /^const fast = process\.env\.LORALAB_FAST === "1";/m.test(sourceText(codeCells(tutorial)[0]!)),
      'its first code cell should have the switch: const fast = process.env.LORALAB_FAST === "1";',
    );
  return problems;
};

/** Code that fits in the head. */
export const shortCells: Rule = (tutorial) =>
  codeCells(tutorial)
    .map((cell) => ({ cell, lines: sourceText(cell).trimEnd().split("\n").length }))
    .filter(({ lines }) => lines > MOST_LINES)
    .map(
      ({ cell, lines }) =>
        `${where(cell)} has ${lines} lines, more than ${MOST_LINES}: what is longer belongs in the library`,
    );

/** Outputs of a whole run without an error, in order, small, of no machine in particular. */
export const storedOutputs: Rule = (tutorial) => {
  const problems: string[] = [];
  if (tutorial.bytes > MOST_BYTES)
    problems.push(`has ${(tutorial.bytes / 1e6).toFixed(1)} MB, more than ${MOST_BYTES / 1e6}`);
  codeCells(tutorial).forEach((cell, i) => {
    if (cell.execution_count !== i + 1)
      problems.push(`${where(cell)} has not run as number ${i + 1}: run the notebook with --full`);
    for (const output of cell.outputs ?? []) {
      if (output.output_type === "error") problems.push(`${where(cell)} failed: ${output.ename}`);
      const [path] = MACHINE_PATH.exec(readable(output)) ?? [];
      if (path) problems.push(`${where(cell)} shows a path of a machine: ${path.trim()}`);
    }
  });
  if (!codeCells(tutorial).some(({ outputs }) => outputs?.length))
    problems.push("has no outputs: run it with --full");
  return problems;
};

/** Everything of an output that a person might read. */
function readable({ text, data }: Output): string {
  const texts = Object.entries((data as Record<string, unknown>) ?? {}).map(([type, value]) =>
    type.startsWith("text/") ? joined(value) : JSON.stringify(value),
  );
  return [joined(text), ...texts].join("\n");
}

/** Pictures say in words what they show; so do figures, for whoever cannot see them. */
export const alternatives: Rule = (tutorial) => {
  const problems: string[] = [];
  const text = prose(tutorial.notebook);
  for (const [image, alt] of text.matchAll(/!\[([^\]]*)\]\([^)]*\)/g))
    if (!alt?.trim()) problems.push(`has a picture without alternative text: ${image}`);
  for (const [image] of text.matchAll(/<img\b[^>]*>/g))
    if (!/\balt="[^"]+"/.test(image)) problems.push(`has a picture without alternative text: ${image}`);
  for (const cell of codeCells(tutorial))
    for (const { data } of cell.outputs ?? []) {
      const types = Object.keys((data as object) ?? {});
      if (types.length === 0 || types.includes("application/vnd.jupyter.widget-view+json")) continue;
      if (
        joined((data as any)["text/plain"]).trim() === "" &&
        joined((data as any)["text/html"]).trim() !== ""
      )
        problems.push(`${where(cell)} shows ${types.join(", ")} without a text`);
      if (types.some((type) => type.startsWith("image/")))
        problems.push(`${where(cell)} shows an image; a Figure can be read aloud, an image cannot`);
    }
  return problems;
};

/** Targets of links and pictures in Markdown. */
export function linksOf(markdown: string): string[] {
  const text = markdown.replace(/```[\s\S]*?```|`[^`\n]*`/g, "");
  return [
    ...[...text.matchAll(/\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)/g)].map((match) => match[1]!),
    ...[...text.matchAll(/\b(?:href|src)="([^"]+)"/g)].map((match) => match[1]!),
  ];
}

/** What is wrong with the links of a text. */
export function brokenLinks(markdown: string, folder: string): string[] {
  return linksOf(markdown).flatMap((link) => {
    if (link.startsWith("#")) return [];
    if (/^[a-z][a-z0-9+.-]*:/i.test(link))
      return ADDRESSES.some((address) => address.test(link))
        ? []
        : [`links to ${link}: expected https and one of the kinds of addresses in test/notebooks/rules.ts`];
    return fs.existsSync(path.join(folder, decodeURIComponent(link.replace(/[?#].*$/, ""))))
      ? []
      : [`links to ${link}, which is not there`];
  });
}

/** A tutorial opens as a copy in the reader's folder, so it can link to nothing beside itself. */
export const links: Rule = ({ notebook, folder }) => [
  ...brokenLinks(prose(notebook), folder),
  ...linksOf(prose(notebook))
    .filter((link) => !/^(#|attachment:|[a-z][a-z0-9+.-]*:)/i.test(link))
    .map((link) => `links to ${link}, which is not in the reader's folder: name it instead`),
];

export const RULES: Record<string, Rule> = {
  "says its title, goal, minutes and prerequisites": head,
  "asks, checks, sets exercises and points further": parts,
  "has short cells": shortCells,
  "holds the outputs of a whole run": storedOutputs,
  "says in words what it shows": alternatives,
  "links to what is there": links,
};
