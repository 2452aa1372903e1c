/** What training took beside what was planned for it, and why the two differ. */
import { bytes, columns, times } from "../measure/format";
import type { MemoryMeasurement } from "../measure/memory-measurement";
import { COLOURS, Figure, type Trace } from "./figure";
import { card, html, table } from "./html";

const WHY =
  "Measured is the resident memory of a process that does nothing else. It is more than the arithmetic: ONNX Runtime keeps " +
  "copies of the matrices, packed for its kernels, for the way forward and back; its arena holds on to freed blocks and the " +
  "gaps between them; and the recorded program keeps more intermediate results than fused GPU kernels do.";

export function measurementFigure(measurement: MemoryMeasurement): Figure {
  const { model, settings, resident, planned, ratio } = measurement;
  const { batch, sequence } = settings;
  const title =
    `Training ${model.name} with ${model.adapter!.method}, ${batch} × ${sequence} tokens, took ${bytes(resident.peak)} here` +
    (planned ? `: ${times(Number(ratio!.toPrecision(2)))} the ${bytes(planned.bytes)} of the plan` : "");
  const phases: [name: string, size: number, what: string][] = [
    ["frozen weights", resident.weights, "as arrays"],
    ["session", resident.session - resident.weights, "ONNX Runtime's copies of them, packed for its kernels"],
    [
      "training",
      resident.peak - resident.session,
      "activations, logits, gradients, optimizer, adapter; the arena's gaps",
    ],
  ];
  const terms = planned?.terms ?? [];
  const [measuredBar, plannedBar] = ["measured", "planned"];
  const segment = (bar: string, name: string, size: number, colour: string): Trace => ({
    type: "bar",
    orientation: "h",
    name,
    y: [bar],
    x: [size / 1e6],
    marker: { color: colour },
    hovertemplate: `${bar}, ${name}: %{x:.4~g} MB<extra></extra>`,
  });
  const traces = [
    ...phases.map(([name, size], i) => segment(measuredBar, name, size, COLOURS[i]!)),
    ...terms.map((term, i) =>
      segment(plannedBar, term.name, term.bytes, COLOURS[(i + phases.length) % COLOURS.length]!),
    ),
  ];
  const rows = [
    ...phases.map(([name, size, what]) => [measuredBar, name, bytes(size), what]),
    [measuredBar, "in all", bytes(resident.peak), ""],
    ...terms.map((term) => [plannedBar, term.name, bytes(term.bytes), `${term.formula} = ${term.numbers}`]),
    ...(planned ? [[plannedBar, "in all", bytes(planned.bytes), ""]] : []),
  ];
  const heads = ["", "part", "memory", "of what"];
  return new Figure(
    traces,
    {
      title: { text: title, font: { size: 13 }, x: 0, xanchor: "left", xref: "paper" },
      barmode: "stack",
      height: 260,
      xaxis: { title: { text: "memory (MB)" } },
      yaxis: { autorange: "reversed" },
      legend: { traceorder: "normal", orientation: "h", x: 0, y: -0.35, yanchor: "top" },
    },
    {
      text: [title, columns([heads, ...rows], "llrl"), WHY].join("\n"),
      html: card(
        html`<p class="title"><b>${title}</b></p>`,
        table(
          heads.map((head, i) => ({ head, number: i === 2 })),
          rows.map((cells) => ({ cells })),
        ),
        html`<p>${WHY}</p>`,
      ),
    },
  );
}
