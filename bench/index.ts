/**
 * Benchmarks: `npm run bench -- NAME [--json]`. Each prints our time over that of a named peer, measured in turns in the
 * same run, so that a busy machine slows both.
 */
import { classroomBench } from "./classroom";
import { generateBench } from "./generate";
import { gpu } from "./gpu";
import { kernelBench } from "./kernel";
import { kernelSoak } from "./kernel-soak";
import { labBench } from "./lab";
import { memoryBench } from "./memory";
import { methodsBench } from "./methods";
import { objectivesBench } from "./objectives";
import { gpuProfiles, type Profile, profiles } from "./profile";
import { machine, summary, write } from "./report";
import { type Curve, scaling } from "./scaling";
import { stepBench } from "./step";
import { sweepBench } from "./sweep";
import { type Row, targets } from "./targets";

const BENCHES: Record<string, () => Promise<Record<string, unknown>>> = {
  step: stepBench,
  generate: generateBench,
  memory: memoryBench,
  objectives: objectivesBench,
  kernel: kernelBench,
  "kernel-soak": kernelSoak,
  methods: methodsBench,
  lab: labBench,
  sweep: sweepBench,
  classroom: classroomBench,
  targets: async () => {
    const rows = await targets();
    if (writes) write({ targets: { machine: machine(), rows } });
    return asTable(rows);
  },
  gpu: async () => {
    const rows = await gpu();
    if (writes) write({ gpu: { machine: machine(process.env.BENCH_GPU ?? "a GPU"), rows } });
    return asTable(rows);
  },
  profile: async () => {
    const all = await profiles();
    if (writes) write({ profile: { machine: machine(), profiles: all } });
    return byName(all);
  },
  "gpu-profile": async () => {
    const all = await gpuProfiles();
    if (writes) write({ gpuProfile: { machine: machine(process.env.BENCH_GPU ?? "a GPU"), profiles: all } });
    return byName(all);
  },
  scaling: async () => {
    const curves = await scaling();
    if (writes) write({ scaling: { machine: machine(), curves } });
    const point = ({ x, measured, floor }: Curve["points"][number]) =>
      `${Number(x.toPrecision(3))}: ${measured.toFixed(1)} (${floor.toFixed(1)})`;
    return Object.fromEntries(curves.map(({ name, points }) => [name, points.map(point).join("  ")]));
  },
};

/** Whether README.md beside this file is to be written anew. */
const writes = process.argv.includes("--write");

const asTable = (rows: readonly Row[]) =>
  Object.fromEntries(rows.map((row) => [`${row.what}, against ${row.against}`, summary(row)]));

const byName = (all: readonly Profile[]) =>
  Object.fromEntries(all.map(({ what, ...profile }) => [what, JSON.stringify(profile)]));

async function main(): Promise<void> {
  const [name] = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
  const bench = BENCHES[name ?? ""];
  if (!bench) {
    console.error(`usage: npm run bench -- (${Object.keys(BENCHES).join(" | ")}) [--json] [--write]`);
    process.exitCode = 2;
    return;
  }
  const results = await bench();
  if (process.argv.includes("--json")) console.log(JSON.stringify(results));
  else for (const line of lines(results)) console.log(line);
}

/** Results one to a line; where each has the same parts, as a table of these. */
function lines(results: Record<string, unknown>): string[] {
  const rows = Object.entries(results);
  const [, first] = rows[0]!;
  if (typeof first !== "object" || first === null)
    return rows.map(([key, value]) => `${key.padEnd(24)} ${format(value)}`);
  const width = Math.max(24, ...rows.map(([name]) => name.length + 1));
  const line = (name: string, cells: string[]) =>
    [name.padEnd(width), ...cells.map((cell) => cell.padStart(16))].join("");
  return [
    line("", Object.keys(first)),
    ...rows.map(([name, parts]) => line(name, Object.values(parts as object).map(format))),
  ];
}

function format(value: unknown): string {
  if (value === null) return "– (peer absent)";
  if (typeof value !== "number") return String(value);
  return Number.isInteger(value) ? value.toLocaleString("en-US") : value.toPrecision(3);
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
