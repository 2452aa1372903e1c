/** A plan as people read it: what is trained, each term of the memory with its arithmetic, and where it fits. */
import { bytes, columns, integer, percent } from "../measure/format";
import type { PlanSettings } from "../measure/memory";
import type { Plan, Plans } from "../measure/plan";
import { bundle, type MimeBundle } from "./bundle";
import { Figure } from "./figure";
import { bar, card, html, table } from "./html";

export const METHODS = { full: "full fine-tuning", lora: "LoRA", qlora: "QLoRA", dora: "DoRA" };

export function planBundle(plan: Plan): MimeBundle {
  const { terms, fits, bytes: total } = plan;
  const title = `${what(plan)}: ${bytes(total)}`;
  const words = `${trained(plan)} ${circumstances(plan)}`;
  const rows = terms.map((term) => ({ ...term, share: term.bytes / total }));
  const roomy = fits.filter((fit) => fit.fits).map(({ computer }) => computer.name);
  const tight = fits.filter((fit) => !fit.fits).map(({ computer }) => computer.name);
  const fitting = [
    roomy.length > 0 ? `Fits: ${roomy.join("; ")}.` : "Fits none of the computers listed.",
    tight.length > 0 ? `Does not fit: ${tight.join("; ")}.` : "",
  ];
  const reserve =
    "Reserved besides: 1 GiB on a GPU for driver and framework, 6 GiB on a laptop for everything else.";
  const text = [
    title,
    words,
    columns(
      [
        ...rows.map((row) => [
          row.name,
          bytes(row.bytes),
          percent(row.share),
          `${row.formula} = ${row.numbers}`,
        ]),
        ["total", bytes(total), "", ""],
      ],
      "lrrl",
    ),
    ...fitting.filter(Boolean),
    reserve,
  ].join("\n");
  return bundle(
    text,
    card(
      html`<p class="title"><b>${title}</b></p><p>${words}</p>`,
      table(
        [
          { head: "term" },
          { head: "memory", number: true },
          { head: "share", number: true },
          { head: "formula" },
          { head: "numbers" },
        ],
        rows.map((row) => ({
          cells: [row.name, bytes(row.bytes), bar(row.share), row.formula, inOneLine(row.numbers)],
        })),
        [{ cells: ["total", bytes(total), "", "", ""] }],
      ),
      fitting.filter(Boolean).map((line) => html`<p>${line}</p>`),
      html`<p>${reserve}</p>`,
    ),
  );
}

const inOneLine = (numbers: string) => numbers.replaceAll(" ", "\u00a0");

/** One bar for each plan, a segment for each term. */
export function plansFigure({ all }: Plans): Figure {
  const names = [...new Set(all.flatMap(({ terms }) => terms.map(({ name }) => name)))];
  const labels = labelsOf(all);
  const sizeOf = (plan: Plan, name: string) => plan.terms.find((term) => term.name === name)?.bytes ?? 0;
  const least = all.reduce((a, b) => (a.bytes <= b.bytes ? a : b));
  const most = all.reduce((a, b) => (a.bytes >= b.bytes ? a : b));
  const title =
    `${most.architecture.name}: ${METHODS[most.settings.method]} takes ${bytes(most.bytes)}, ` +
    `${METHODS[least.settings.method]} ${bytes(least.bytes)}`;
  const cells = (plan: Plan, i: number) => [
    labels[i]!,
    bytes(plan.bytes),
    integer(plan.trainable),
    ...names.map((name) => (sizeOf(plan, name) > 0 ? bytes(sizeOf(plan, name)) : "–")),
  ];
  const heads = ["method", "memory", "trainable", ...names];
  return new Figure(
    names.map((name) => ({
      type: "bar",
      orientation: "h",
      name,
      y: labels,
      x: all.map((plan) => sizeOf(plan, name) / 1e9),
      hovertemplate: `%{y}<br>${name}: %{x:.2f} GB<extra></extra>`,
    })),
    {
      title: { text: title },
      barmode: "stack",
      xaxis: { title: { text: "memory (GB)" } },
      yaxis: { title: { text: "method" }, autorange: "reversed" },
      legend: { traceorder: "normal" },
    },
    {
      text: [title, columns([heads, ...all.map(cells)], `l${"r".repeat(heads.length - 1)}`)].join("\n"),
      html: card(
        html`<p class="title"><b>${title}</b></p>`,
        table(
          heads.map((head, i) => ({ head, number: i > 0 })),
          all.map((plan, i) => ({ cells: cells(plan, i) })),
        ),
      ),
    },
  );
}

/** The methods; of plans for the same one, and of full fine-tuning, what tells them apart as well. */
function labelsOf(all: readonly Plan[]): string[] {
  const plain = ({ settings: { method, precision } }: Plan) =>
    method === "full" ? `full, ${precision}` : METHODS[method];
  return all.map((plan) => {
    const alike = all.filter((other) => plain(other) === plain(plan));
    const told = (key: keyof PlanSettings) => String(plan.settings[key]);
    const differing = (Object.keys(plan.settings) as (keyof PlanSettings)[]).filter(
      (key) => new Set(alike.map(({ settings }) => String(settings[key]))).size > 1,
    );
    return [plain(plan), ...differing.map((key) => `${key} ${told(key)}`)].join(", ");
  });
}

function what({ architecture, settings }: Plan): string {
  if (settings.use === "inference")
    return `Running ${architecture.name}${settings.method === "qlora" ? " in 4 bits" : ""}`;
  return `${METHODS[settings.method]} of ${architecture.name}`.replace(/^./, (c) => c.toUpperCase());
}

function trained({ settings, trainable, total }: Plan): string {
  if (settings.use === "inference") return `${integer(total)} parameters.`;
  return `Trainable: ${integer(trainable)} of ${integer(total)} parameters, ${percent(trainable / total)}.`;
}

function circumstances({ settings }: Plan): string {
  const { method, rank, targets, batch, sequence, precision, optimizer, attention, recompute, use } =
    settings;
  return [
    method === "full" ? "" : `rank ${rank} on ${targets}`,
    `${batch} × ${integer(sequence)} tokens`,
    precision === "mixed" ? "bfloat16 with float32 copies of what is trained" : precision,
    ...(use === "training"
      ? [optimizer, `${attention} attention`, recompute ? "activations recomputed" : ""]
      : []),
  ]
    .filter(Boolean)
    .join(" · ")
    .concat(".");
}
