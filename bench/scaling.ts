/**
 * How a training step's time grows: with the rank, the rows of a batch, the length of a row, the width of the model, and the
 * part of it that is trained. Beside each curve is what its matrix products alone would take at this machine's rate, so the
 * slope that theory has is on the same axes.
 */
import { full, lora } from "../src/adapters";
import type { Method } from "../src/model/adapter";
import type { LanguageModel } from "../src/model/language-model";
import type { BatchShape } from "../src/train/language-loss";
import { flopsOfStep, largeProducts } from "./floor";
import { median } from "./measure";
import { benchModel, randomModel, type Shape } from "./models";
import { compiledStep, SHAPE, supervised } from "./training";

export interface Curve {
  name: string;
  /** Of the horizontal axis. */
  axis: string;
  /** Milliseconds: medians of what was measured, and of the products alone. */
  points: { x: number; measured: number; floor: number }[];
}

interface Case {
  x: number;
  model(): LanguageModel;
  batch?: BatchShape;
}

const REPEATS = 5;
const NARROW: Shape = { hidden: 0, mlp: 0, layers: 4, heads: 4, kvHeads: 4, vocabulary: 4096 };

export async function scaling(): Promise<Curve[]> {
  const small = await benchModel("small");
  const student = (method: Method) => () => small.attach(method);
  const layers = small.config.layers;
  const upTo = (n: number) =>
    new RegExp(`.*\\.layers\\.(${[...Array(n).keys()].map((i) => layers - 1 - i).join("|")})\\..*`);
  const families: { name: string; axis: string; cases: Case[] }[] = [
    {
      name: "rank of LoRA",
      axis: "rank",
      cases: [1, 4, 16, 64, 256].map((rank) => ({
        x: rank,
        model: student(lora({ rank, targets: ["q_proj", "o_proj"] })),
      })),
    },
    {
      name: "rows of a batch",
      axis: "rows of 128 tokens",
      cases: [1, 2, 4, 8, 16].map((rows) => ({
        x: rows,
        model: student(lora()),
        batch: supervised(rows, 128),
      })),
    },
    {
      name: "length of a row",
      axis: "tokens in each of 8 rows",
      cases: [16, 32, 64, 128, 256].map((length) => ({
        x: length,
        model: student(lora()),
        batch: supervised(8, length),
      })),
    },
    {
      name: "width",
      axis: "width of a model of 4 layers",
      cases: [64, 128, 256, 512, 1024].map((hidden) => ({
        x: hidden,
        model: () => randomModel(`width ${hidden}`, { ...NARROW, hidden, mlp: 2.75 * hidden }).attach(lora()),
        batch: supervised(4, 128),
      })),
    },
    {
      name: "layers that have adapters",
      axis: "last layers of 6",
      cases: [1, 2, 3, 4, 6].map((n) => ({ x: n, model: student(lora({ targets: upTo(n) })) })),
    },
    {
      name: "part of the weights that is trained",
      axis: "trained parameters, %",
      cases: [lora({ rank: 1 }), lora({ rank: 16 }), full()].map((method) => {
        const model = student(method);
        return { x: (100 * model().trainableCount) / small.parameterCount, model };
      }),
    },
  ];
  const products = await largeProducts();
  await products.run();
  const curves: { name: string; axis: string; points: { x: number; measured: number; flops: number }[] }[] =
    [];
  const rates: number[] = []; // one for all points: the slope of the floor is that of the operations
  for (const { name, axis, cases } of families) {
    const points: (typeof curves)[number]["points"] = [];
    for (const { x, model, batch = SHAPE } of cases) {
      const made = model();
      const { step, dispose } = await compiledStep(made, batch);
      await step();
      const times: number[] = [];
      for (let i = 0; i < REPEATS; i++) {
        times.push(await step());
        rates.push(await products.run());
      }
      await dispose();
      points.push({ x, measured: median(times), flops: flopsOfStep(made, batch) });
    }
    curves.push({ name, axis, points });
  }
  const milliseconds = median(rates) / products.flops;
  return curves.map(({ points, ...curve }) => ({
    ...curve,
    points: points.map(({ x, measured, flops }) => ({ x, measured, floor: flops * milliseconds })),
  }));
}

const [WIDTH, HEIGHT] = [320, 240];
const MARGIN = { left: 52, right: 12, top: 30, bottom: 44 };
const MEASURED = "#0072b2";
const FLOOR = "#d55e00";

/** The curves on logarithmic axes, three beside each other. */
export function drawn(curves: readonly Curve[]): string {
  const [columns, rows] = [3, Math.ceil(curves.length / 3)];
  const panels = curves.map(
    (curve, i) =>
      `<g transform="translate(${(i % columns) * WIDTH} ${Math.floor(i / columns) * HEIGHT})">${panel(curve)}</g>`,
  );
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${columns * WIDTH} ${rows * HEIGHT}" font-family="sans-serif" ` +
    `font-size="11" fill="#707070"><title>How the time of a training step grows</title><rect width="100%" height="100%" fill="white"/>${panels.join("")}</svg>\n`
  );
}

function panel({ name, axis, points }: Curve): string {
  const scale = (values: number[], from: number, to: number) => {
    const logs = values.map(Math.log);
    const [low, high] = [Math.min(...logs), Math.max(...logs)];
    const gap = 0.06 * (high - low);
    return (x: number) =>
      (from + ((Math.log(x) - low + gap) / (high - low + 2 * gap)) * (to - from)).toFixed(1);
  };
  const ys = points.flatMap(({ measured, floor }) => [measured, floor]);
  const px = scale(
    points.map(({ x }) => x),
    MARGIN.left,
    WIDTH - MARGIN.right,
  );
  const py = scale(ys, HEIGHT - MARGIN.bottom, MARGIN.top);
  const short = (x: number) => String(x < 100 ? Number(x.toPrecision(2)) : Math.round(x));
  const line = (of: (point: (typeof points)[number]) => number, colour: string, dash = "") =>
    `<path d="M${points.map((point) => `${px(point.x)} ${py(of(point))}`).join("L")}" fill="none" stroke="${colour}" stroke-width="2" stroke-dasharray="${dash}"/>`;
  const dots = points.map(
    ({ x, measured }) => `<circle cx="${px(x)}" cy="${py(measured)}" r="3" fill="${MEASURED}"/>`,
  );
  const below = points.map(
    ({ x }) =>
      `<text x="${px(x)}" y="${HEIGHT - MARGIN.bottom + 15}" text-anchor="middle">${short(x)}</text>`,
  );
  const ticks = [
    ...new Set([Math.min(...ys), Math.sqrt(Math.min(...ys) * Math.max(...ys)), Math.max(...ys)]),
  ];
  const beside = ticks.map(
    (y) =>
      `<path d="M${MARGIN.left} ${py(y)}H${WIDTH - MARGIN.right}" stroke="#808080" stroke-opacity="0.25"/>` +
      `<text x="${MARGIN.left - 6}" y="${py(y)}" dy="4" text-anchor="end">${short(y)}</text>`,
  );
  return (
    `<text x="${MARGIN.left}" y="16" font-size="13" fill="#404040">${name}</text>${beside.join("")}${below.join("")}` +
    `<text x="${(MARGIN.left + WIDTH) / 2}" y="${HEIGHT - 10}" text-anchor="middle">${axis}</text>` +
    `<text transform="translate(12 ${HEIGHT / 2}) rotate(-90)" text-anchor="middle">ms a step</text>` +
    `${line(({ floor }) => floor, FLOOR, "4 3")}${line(({ measured }) => measured, MEASURED)}${dots.join("")}`
  );
}
