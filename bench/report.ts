/** Writes what was measured into `results.json` and, for people, into README.md and scaling.svg beside it. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { arch, availableParallelism, cpus, platform } from "node:os";
import { join } from "node:path";
import { median } from "./measure";
import { isProduct, type Profile, rates } from "./profile";
import { type Curve, drawn } from "./scaling";
import { isHeld, type Row } from "./targets";

export interface Results {
  targets?: { machine: string; rows: Row[] };
  gpu?: { machine: string; rows: Row[] };
  scaling?: { machine: string; curves: Curve[] };
  profile?: { machine: string; profiles: Profile[] };
  gpuProfile?: { machine: string; profiles: Profile[] };
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

/** What it would take. */
const ON_CPU = [
  "The wide products, of weights that stay, run at the rate of products alone, which is not below PyTorch's: what is left to gain on",
  "one and the same processor is in the narrow products of the adapters (a third of that rate, bound by memory), and in sums and",
  "products of activations that no operator of ONNX Runtime does in one pass. On the 4-bit base codes are looked up twice a step, once",
  "for each direction, whatever the number of tokens, and products cannot use weights that were packed beforehand; it would take a",
  "kernel that looks codes up while it packs.",
];
const ON_GPU = [
  "`small` is held up by the number of its operators, as PyTorch is. At width 1024 ONNX Runtime's WebGPU kernels multiply at about a",
  "third of the rate of cuBLAS, so that the products take longer than the whole step does there. In float16 the same kernels are 1.3",
  "times as fast (17.6 and 23.8 TFLOP/s on an H100, 4,096 × 1,024 × 4,096), which is not enough either: it takes kernels with larger",
  "tiles, or WebGPU's subgroup matrices.",
];

/** What a step spends where, and what its matrix products are beside PyTorch's of the same shapes. */
function profileSection({ machine, profiles }: { machine: string; profiles: Profile[] }): string[] {
  const steps = profiles.map(({ what, step, flops, operators }) => {
    const total = (all: Profile["operators"]) => all.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
    const inProducts = total(operators.filter(({ op }) => isProduct(op)));
    const others = operators.filter(({ op }) => !isProduct(op));
    const named = others.slice(0, 4).map(({ op, milliseconds }) => `${op} ${number(milliseconds)}`);
    const cells = [
      ...[what, number(step), number(flops / 1e9), `${number(inProducts)} (${percent(inProducts / step)})`],
      number(flops / inProducts / 1e6),
      `${number(total(others))} (${percent(total(others) / step)}): ${named.join(", ")}`,
    ];
    return `| ${cells.join(" | ")} |`;
  });
  const products = profiles.flatMap(({ what, products }) =>
    products.map((product) => {
      const { ours, theirs } = rates(product);
      const { tokens, from, to } = product;
      const beside = theirs ? [number(theirs / 1e9), number(product.ours / product.theirs!)] : ["–", "–"];
      return `| ${what} | ${tokens} × ${from} → ${to} → ${from} | ${number(ours / 1e9)} | ${beside.join(" | ")} |`;
    }),
  );
  return [
    "",
    `Measured on ${machine}. Milliseconds of ONNX Runtime's own profile of a LoRA step, and GFLOP/s.`,
    "",
    "| step | takes | GFLOP of products | in products | their rate | in other operators |",
    "| --- | --: | --: | --: | --: | --- |",
    ...steps,
    "",
    "The same products alone, with weights that stay, there and back, beside PyTorch's:",
    "",
    "| of | tokens × widths | our GFLOP/s | PyTorch's | our time over PyTorch's |",
    "| --- | --- | --: | --: | --: |",
    ...products,
  ];
}

const percent = (part: number): string => `${(100 * part).toFixed(0)} %`;

function readme({ targets, gpu, scaling, profile, gpuProfile }: Results): string {
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
  if (profile || gpuProfile) {
    sections.push(
      "",
      "## Where a step's time goes",
      "",
      "Written by `npm run bench -- profile --write` and, on a machine with a GPU, `npm run bench -- gpu-profile --write`. Where a target is",
      "missed this says why: a step cannot take less time than its matrix products do at the rate of the products alone. Profiling itself",
      "slows operators down, so parts may come to more than the whole, which is timed without it.",
    );
    if (profile) sections.push(...profileSection(profile), "", ...ON_CPU);
    if (gpuProfile) sections.push(...profileSection(gpuProfile), "", ...ON_GPU);
  }
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
