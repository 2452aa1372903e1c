/** What training took beside what was planned for it, and why the two differ. */
import { bytes, columns, times } from "../measure/format";
import type { MemoryMeasurement } from "../measure/memory-measurement";
import { bundle, type MimeBundle } from "./bundle";
import { COLOURS, Figure } from "./figure";
import { card, type Html, html, table } from "./html";

const WHY =
  "Measured is the resident memory of a process that does nothing else. It is more than the arithmetic: ONNX Runtime keeps " +
  "copies of the matrices, packed for its kernels, for the way forward and back; its arena holds on to freed blocks and the " +
  "gaps between them; and the recorded program keeps more intermediate results than fused GPU kernels do.";

interface Part {
  bar: "measured" | "planned";
  name: string;
  bytes: number;
  what: string;
}

/** The parts that there are: full fine-tuning has no frozen weights. */
function partsOf({ resident: { weights, session, peak }, planned }: MemoryMeasurement): Part[] {
  const phases: [name: string, bytes: number, what: string][] = [
    ["frozen weights", weights, "as arrays"],
    ["session", session - weights, "ONNX Runtime's copies of them, packed for its kernels"],
    ["training", peak - session, "activations, logits, gradients, optimizer, adapter; the arena's gaps"],
  ];
  return [
    ...phases.map(([name, bytes, what]): Part => ({ bar: "measured", name, bytes, what })),
    ...(planned?.terms ?? []).map(
      ({ name, bytes, formula, numbers }): Part => ({
        bar: "planned",
        name,
        bytes,
        what: `${formula} = ${numbers}`,
      }),
    ),
  ].filter(({ bytes }) => bytes > 0);
}

function titleOf({
  model,
  settings: { batch, sequence, optimizer },
  resident,
  planned,
  ratio,
}: MemoryMeasurement): string {
  const took = `Training ${model.name} with ${model.adapter!.method}, ${optimizer}, ${batch} × ${sequence} tokens, took ${bytes(resident.peak)} here`;
  if (!planned) return took;
  return `${took}: ${times(Number(ratio!.toPrecision(2)))} the ${bytes(planned.bytes)} of the plan`;
}

function words(measurement: MemoryMeasurement): { text: string; html: Html } {
  const { resident, planned } = measurement;
  const title = titleOf(measurement);
  const rows = partsOf(measurement).map((part) => [part.bar, part.name, bytes(part.bytes), part.what]);
  const totals = [
    ["measured", "in all", bytes(resident.peak), ""],
    ...(planned ? [["planned", "in all", bytes(planned.bytes), ""]] : []),
  ];
  const heads = ["", "part", "memory", "of what"];
  return {
    text: [title, columns([heads, ...rows, ...totals], "llrl"), WHY].join("\n"),
    html: card(
      html`<p class="title"><b>${title}</b></p>`,
      table(
        heads.map((head, i) => ({ head, number: i === 2 })),
        rows.map((cells) => ({ cells })),
        totals.map((cells) => ({ cells })),
      ),
      html`<p>${WHY}</p>`,
    ),
  };
}

/** The numbers with the reasons; the chart is `figure`. */
export function measurementBundle(measurement: MemoryMeasurement): MimeBundle {
  const { text, html } = words(measurement);
  return bundle(text, html);
}

/** A bar of what was measured above one of what was planned. */
export function measurementFigure(measurement: MemoryMeasurement): Figure {
  return new Figure(
    partsOf(measurement).map(({ bar, name, bytes }, i) => ({
      type: "bar",
      orientation: "h",
      name,
      y: [bar],
      x: [bytes / 1e6],
      marker: { color: COLOURS[i % COLOURS.length] },
      hovertemplate: `${bar}, ${name}: %{x:.4~g} MB<extra></extra>`,
    })),
    {
      title: { text: titleOf(measurement).replace(" here: ", " here:<br>") },
      barmode: "stack",
      height: 300,
      margin: { l: 56, r: 16, t: 64, b: 44 },
      xaxis: { title: { text: "memory (MB)" } },
      yaxis: { autorange: "reversed" },
      legend: { traceorder: "normal", orientation: "h", x: 0, y: -0.35, yanchor: "top" },
    },
    words(measurement),
  );
}
