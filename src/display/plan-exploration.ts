/** What fine-tuning takes while its settings are still open: every method's memory beside that of common computers. */

import { bytes, columns, percent, times } from "../measure/format";
import { COMPUTERS, type Computer } from "../measure/hardware";
import type { PlanSettings } from "../measure/memory";
import type { Plan } from "../measure/plan";
import type { PlanExploration } from "../measure/plan-exploration";
import { bundle, DISPLAY, type MimeBundle } from "./bundle";
import { COLOURS, Figure } from "./figure";
import { card, html, table } from "./html";
import { type Control, sliders, type Widgets } from "./interaction";
import { METHODS, planBundle } from "./plan";

/** With its sliders in a notebook that has them; elsewhere the chart and the terms as they stand. */
export function planExplorationBundle(exploration: PlanExploration): MimeBundle {
  const isLive = sliders(
    (widgets) => controls(exploration, widgets),
    async function* (settings) {
      yield planExplorationFigure(exploration, settings);
      yield { [DISPLAY]: () => planBundle(exploration.at(settings).plan) };
    },
  );
  if (isLive) {
    const words = `Memory of ${exploration.start.architecture.name}: every term is of shapes alone, and its formula says how.`;
    return bundle(words, card(html`<p>${words}</p>`));
  }
  const [figure, terms] = [planExplorationFigure(exploration)[DISPLAY](), planBundle(exploration.start)];
  return {
    ...figure,
    "text/html": `${figure["text/html"]}${terms["text/html"]}`,
    "text/plain": `${figure["text/plain"]}\n\n${terms["text/plain"]}`,
  };
}

/** Terms that methods have in common get one colour in all bars. */
const TERMS = [
  "weights",
  "quantization constants",
  "adapter",
  "float32 copy",
  "gradients",
  "optimizer",
  "activations",
  "logits",
  "KV cache",
  "workspace",
];

/** One more than figures have otherwise. */
const TERM_COLOURS = [...COLOURS, "#8c6d46"];

/** A few computers that span the range; lines for all would be a fence. */
const SHOWN = ["laptop, 16 GB", "RTX 3090, 4090, L4, A10G", "L40S, RTX 6000 Ada", "A100, H100 80 GB", "H200"];

export function planExplorationFigure(
  exploration: PlanExploration,
  settings: Partial<PlanSettings> = {},
): Figure {
  const { plan, all } = exploration.at(settings);
  const plans = all.all;
  const labels = plans.map(({ settings: { method } }) => METHODS[method]);
  const most = Math.max(...plans.map(({ bytes }) => bytes));
  const names = TERMS.filter((name) => plans.some(({ terms }) => terms.some((term) => term.name === name)));
  const sizeOf = ({ terms }: Plan, name: string) => terms.find((term) => term.name === name)?.bytes ?? 0;
  const title = finding(plan, plans);
  // Those between nothing and a little more than what is needed at most.
  const computers = apart(
    COMPUTERS.filter(({ name }) => SHOWN.includes(name)).filter((one) => room(one) < 1.15 * most),
    0.05 * most,
  );
  const heads = ["method", "memory", "fits, from the smallest", ...names];
  const rows = plans.map((one, i) => [
    `${labels[i]}${one.settings.method === plan.settings.method ? " ◀" : ""}`,
    bytes(one.bytes),
    smallest(one)?.name ?? "none of those listed",
    ...names.map((name) => (sizeOf(one, name) > 0 ? bytes(sizeOf(one, name)) : "–")),
  ]);
  const align = `lrl${"r".repeat(names.length)}`;
  return new Figure(
    names.map((name) => ({
      type: "bar",
      orientation: "h",
      name,
      y: labels,
      x: plans.map((one) => sizeOf(one, name) / 1e9),
      marker: {
        color: TERM_COLOURS[TERMS.indexOf(name)],
        // The method that was chosen in full colour, the others behind it.
        opacity: plans.map(({ settings: { method } }) => (method === plan.settings.method ? 1 : 0.55)),
      },
      hovertemplate: `%{y}<br>${name}: %{x:.3~g} GB<extra></extra>`,
    })),
    {
      title: { text: title.replace("; ", ";<br>") },
      barmode: "stack",
      height: 440,
      margin: { l: 56, r: 16, t: 126, b: 44 },
      xaxis: { title: { text: "memory (GB)" }, range: [0, (1.15 * most) / 1e9] },
      yaxis: { title: { text: "method" }, autorange: "reversed" },
      legend: { traceorder: "normal", orientation: "h", x: 0, y: -0.28, yanchor: "top" },
      shapes: computers.map((computer) => ({
        type: "line",
        x0: room(computer) / 1e9,
        x1: room(computer) / 1e9,
        yref: "paper",
        y0: 0,
        y1: 1,
        line: { color: "#808080", width: 1, dash: "dash" },
      })),
      annotations: computers.map((computer, i) => ({
        x: room(computer) / 1e9,
        yref: "paper",
        y: 1.01 + 0.09 * (i % 2),
        yanchor: "bottom",
        xanchor: "center",
        text: computer.name.replace("RTX 3090, 4090, L4, A10G", "RTX 4090"),
        showarrow: false,
        font: { size: 11 },
      })),
    },
    {
      text: [title, columns([heads, ...rows], align)].join("\n"),
      html: card(
        html`<p class="title"><b>${title}</b></p>`,
        table(
          heads.map((head, i) => ({ head, number: align[i] === "r" })),
          rows.map((cells) => ({ cells })),
        ),
      ),
    },
  );
}

/** Of computers in the order of their memory those whose lines do not run into the one before. */
function apart(computers: readonly Computer[], least: number): Computer[] {
  const kept: Computer[] = [];
  for (const one of [...computers].sort((p, q) => room(p) - room(q)))
    if (room(one) - (kept.at(-1) ? room(kept.at(-1)!) : 0) > least) kept.push(one);
  return kept;
}

const room = ({ memory, reserved }: Computer): number => memory - reserved;

const smallest = (plan: Plan): Computer | undefined => plan.fits.find(({ fits }) => fits)?.computer;

/** "Llama-3.1-8B, LoRA: 17.9 GB, fits RTX 3090 and larger; full fine-tuning takes 7.3×" */
function finding(plan: Plan, plans: readonly Plan[]): string {
  const { architecture, settings } = plan;
  const others = plans.filter((one) => one.settings.method !== settings.method);
  const compared = others.find(
    ({ settings: { method } }) => method === (settings.method === "full" ? "lora" : "full"),
  )!;
  const factor =
    compared.bytes > plan.bytes
      ? `${times(Number((compared.bytes / plan.bytes).toPrecision(2)))} as much`
      : `${percent(Number((compared.bytes / plan.bytes).toPrecision(2)))} of it`;
  const least = smallest(plan);
  return (
    `${architecture.name}, ${METHODS[settings.method]}${settings.method === "full" ? "" : ` of rank ${settings.rank}`}: ` +
    `${bytes(plan.bytes)}, ` +
    `${least ? `fits ${least.name.split(";")[0]} and larger` : "fits no computer listed"}; ` +
    `${METHODS[compared.settings.method]} takes ${factor}`
  );
}

const TARGETS = {
  "all linear layers": "all-linear",
  attention: "attention",
  MLP: "mlp",
  "q, v": ["q_proj", "v_proj"],
} as const;

function controls({ start, mostRank }: PlanExploration, widgets: Widgets): Record<string, Control> {
  const { method, rank, batch, sequence, targets, precision, recompute } = start.settings;
  const { contextLength } = start.architecture;
  const style = { descriptionWidth: "initial" };
  const slider = (description: string, value: number, min: number, max: number, step = 1) =>
    new widgets.IntSlider({ description, value, min, max: Math.max(max, value), step, style });
  const choice = (description: string, value: unknown, options: unknown) =>
    new widgets.Dropdown({ description, value, options, style });
  const known = Object.values(TARGETS).find((one) => JSON.stringify(one) === JSON.stringify(targets));
  const least = Math.min(64, contextLength);
  return {
    method: choice(
      "method",
      method,
      Object.fromEntries(Object.entries(METHODS).map(([key, name]) => [name, key])),
    ),
    rank: slider("rank", rank, 1, Math.min(256, mostRank)),
    targets: choice("targets", known ?? targets, known ? TARGETS : { ...TARGETS, "as given": targets }),
    batch: slider("sequences in a batch", batch, 1, 64),
    sequence: slider("tokens in a sequence", sequence, least, Math.min(8192, contextLength), least),
    precision: choice("precision", precision, ["float32", "mixed", "bfloat16"]),
    recompute: new widgets.Checkbox({
      description: "activations recomputed",
      value: recompute,
      indent: false,
    }),
  };
}
