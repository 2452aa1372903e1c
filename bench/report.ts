/** Writes what was measured into `results.json` and, for people, into README.md and scaling.svg beside it. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { arch, availableParallelism, cpus, platform } from "node:os";
import { join } from "node:path";
import { median } from "./measure";
import { type Curve, drawn } from "./scaling";
import { isHeld, type Row } from "./targets";

export interface Results {
  targets?: { machine: string; rows: Row[] };
  gpu?: { machine: string; rows: Row[] };
  scaling?: { machine: string; curves: Curve[] };
}

const FILE = join(__dirname, "results.json");

/** Cores and family of the processor, Node, and a GPU's name where one was used. */
export function machine(gpu?: string): string {
  const [family] = [
    ...new Set(
      cpus().map(({ model }) =>
        model
          .replace(/\s+/g, " ")
          .replace(/\(R\)|\(TM\)|CPU/g, "")
          .trim(),
      ),
    ),
  ];
  const parts = [
    `${availableParallelism()} cores (${family?.replace(/\s+/g, " ")}, ${platform()} ${arch()})`,
    `Node ${process.versions.node}`,
    gpu,
  ];
  return parts.filter(Boolean).join(", ");
}

export function write(part: Results): void {
  const before: Results = existsSync(FILE) ? JSON.parse(readFileSync(FILE, "utf8")) : {};
  const results = { ...before, ...part };
  writeFileSync(FILE, `${JSON.stringify(results, null, 1)}\n`);
  writeFileSync(join(__dirname, "README.md"), readme(results));
  if (results.scaling) writeFileSync(join(__dirname, "scaling.svg"), drawn(results.scaling.curves));
}

const number = (x: number): string =>
  x < 0.095 ? x.toPrecision(2) : x < 10 && !Number.isInteger(x) ? x.toFixed(2) : x.toFixed(0);

/** Median, range and verdict of a row, as text. */
export function summary(row: Row): { measured: string; spread: string; target: string; held: string } {
  const { values, target, atLeast, unit = "" } = row;
  const held = isHeld(row);
  const of = (x: number) => [number(x), unit].filter(Boolean).join(" ");
  return {
    measured: held === undefined ? "–" : of(median(values)),
    spread: values.length < 2 ? "–" : `${number(Math.min(...values))}–${number(Math.max(...values))}`,
    target: `${atLeast ? "≥" : "≤"} ${of(target)}`,
    held: held === undefined ? "not measured" : held ? "yes" : "no",
  };
}

function table(rows: readonly Row[]): string {
  const lines = rows.map((row) => {
    const { measured, spread, target, held } = summary(row);
    return `| ${row.what} | ${row.against} | ${measured} | ${spread} | ${target} | ${held} |`;
  });
  return [
    "| what | against | median | from – to | target | reached |",
    "| --- | --- | --: | --: | --: | --- |",
    ...lines,
  ].join("\n");
}

function readme({ targets, gpu, scaling }: Results): string {
  const sections = [
    "# Benchmarks",
    "",
    "`npm run bench -- NAME [--json]`; without a name it lists them. This page is written by `npm run bench -- targets --write`,",
    "`npm run bench -- scaling --write` and, on a machine with a GPU, `npm run bench -- gpu --write`; nothing in it is written by hand.",
    "`PYTHON` names an interpreter with torch, transformers and peft; rows whose peer is absent stay empty.",
    "",
    "Unless a unit is given a figure is a ratio, our time (or memory) over the peer's. Both were measured in turns in one run, so a",
    "busy machine slows both; the range is over the rounds of that run.",
  ];
  if (targets)
    sections.push("", "## Targets", "", `Measured on ${targets.machine}.`, "", table(targets.rows));
  if (gpu) sections.push("", "## On a GPU", "", `Measured on ${gpu.machine}.`, "", table(gpu.rows));
  if (scaling)
    sections.push(
      "",
      "## How a step's time grows",
      "",
      `Measured on ${scaling.machine}, \`small\` unless the axis says otherwise, 8 × 128 tokens, AdamW. Solid: a whole step. Dashed: its`,
      "matrix products alone, counted in its program, at the rate of large ones. Both axes are logarithmic.",
      "",
      "![Six panels on logarithmic axes: the time of a training step against rank, rows, length, width, layers with adapters and the part of the weights that is trained, each with a dashed line of its matrix products alone](scaling.svg)",
      "",
      "| curve | from | to | time grows by | products grow by |",
      "| --- | --: | --: | --: | --: |",
      ...scaling.curves.map(({ name, points }) => {
        const [first, last] = [points[0]!, points.at(-1)!];
        const times = (of: "measured" | "floor") => `× ${number(last[of] / first[of])}`;
        return `| ${name} | ${number(first.x)} | ${number(last.x)} | ${times("measured")} | ${times("floor")} |`;
      }),
    );
  return `${sections.join("\n")}\n`;
}
