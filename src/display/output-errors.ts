/** What errors of weights do to hidden states and predictions, layer by layer. */
import { columns, counted, nats, percent, short } from "../measure/format";
import { OutputErrors } from "../measure/output-errors";
import { type DataFrame, dataFrame } from "./data-frame";
import { COLOURS, Figure, type Trace } from "./figure";
import { html, table } from "./html";
import { chart } from "./picture";

/** A rise with its sign: "+0.012", "−0.003". */
const rise = (x: number): string => `${x < 0 ? "−" : "+"}${nats(Math.abs(x))}`;

/** Below this, errors are those of float32's rounding. */
const ROUNDING = 1e-4;

/**
 * The errors of hidden states and of weights by layer; of several comparisons over each other when they have names:
 * `outputErrorCurves({ NF4: await outputErrors(…), int4: await outputErrors(…) })`.
 * @throws for no comparison, and for models of different numbers of layers
 */
export function outputErrorCurves(errors: OutputErrors | Readonly<Record<string, OutputErrors>>): Figure {
  const named: [string, OutputErrors][] =
    errors instanceof OutputErrors ? [["", errors]] : Object.entries(errors);
  const first = named[0]?.[1];
  if (!first) throw new Error("outputErrorCurves: expected errors of outputs, got none.");
  const odd = named.find(([, { layers }]) => layers.length !== first.layers.length);
  if (odd) {
    throw new Error(
      `outputErrorCurves: "${odd[0]}" has ${odd[1].layers.length - 1} layers, the first ${first.layers.length - 1}.`,
    );
  }
  const single = named.length === 1;
  const title = single ? finding(first) : worst(named);
  const places = first.layers.map(({ layer }) => layer);
  const hundredths = (x: number | undefined) => (x === undefined ? null : Number((100 * x).toPrecision(4)));
  const traces = named.flatMap(([name, { layers }], i): Trace[] => {
    const colour = COLOURS[i % COLOURS.length];
    const about = name && `${name}: `;
    const common = { type: "scatter", x: places, ...(single ? {} : { legendgroup: name }) };
    const hover = "%{fullData.name}<br>layer %{x}: %{y:.3~g} %<extra></extra>";
    return [
      {
        ...common,
        name: `${about}hidden states`,
        mode: "lines+markers",
        y: layers.map(({ hidden }) => hundredths(hidden)),
        line: { color: colour, width: 2 },
        hovertemplate: hover,
      },
      {
        ...common,
        name: `${about}weights`,
        mode: "lines+markers",
        y: layers.map(({ weights }) => hundredths(weights)),
        line: { color: colour, width: 1, dash: "dot" },
        marker: { symbol: "square-open", size: 7 },
        hovertemplate: hover,
      },
    ];
  });
  const ofAlone = single && first.layers.some(({ alone }) => alone !== undefined);
  const alone: Trace = {
    type: "bar",
    name: "KL of this layer's weights alone",
    x: places,
    y: first.layers.map(({ alone }) => alone),
    marker: { color: COLOURS[1] },
    hovertemplate: "layer %{x} alone: KL %{y:.3~g} nats per token<extra></extra>",
    yaxis: "y2",
  };
  const drawn = traces.filter(({ y }) => (y as (number | null)[]).some((value) => value !== null));
  const { heads, rows } = single ? byLayer(first) : byName(named);
  const body = table(
    heads.map((head, i) => ({ head, number: i > 0 })),
    rows.map((cells) => ({ cells })),
  );
  const lines = named.map(([, { layers }], i) => ({
    points: layers.map(({ hidden }, x) => ({ x: x - 1, y: 100 * hidden })),
    colour: COLOURS[i % COLOURS.length]!,
    dots: true,
  }));
  const legend = single
    ? ""
    : html`<p>${named.map(([name], i) => html`<span style="color:${COLOURS[i % COLOURS.length]}">●</span> ${name} `)}</p>`;
  const picture = chart(lines, title, {
    x: "after layer (−1: the embedding)",
    y: "error of hidden states (%)",
  });
  return new Figure(
    [...drawn, ...(ofAlone ? [alone] : [])],
    {
      title: { text: title },
      xaxis: { title: { text: "after layer" }, type: "category", anchor: ofAlone ? "y2" : "y" },
      yaxis: {
        title: { text: "error (% of the RMS)" },
        rangemode: "tozero",
        ...(ofAlone && { domain: [0.5, 1] }),
      },
      ...(ofAlone && {
        yaxis2: { title: { text: "KL alone (nats)" }, rangemode: "tozero", domain: [0, 0.4] },
        height: 440,
      }),
      ...(!single && { height: 340 + 22 * named.length }),
      legend: { orientation: "h", x: 0, y: -0.28, yanchor: "top" },
    },
    {
      text: [title, columns([heads, ...rows], `l${"r".repeat(heads.length - 1)}`)].join("\n"),
      html: html`<div class="loralab"><p>${title}</p>${picture}${legend}${body}</div>`,
    },
  );
}

/** What the errors do, in a sentence. */
function finding({ layers, outputs, tokens }: OutputErrors): string {
  const { divergence, agreement, loss } = outputs;
  const last = layers.at(-1)!;
  if (last.hidden < ROUNDING) {
    return `The same outputs up to float32's rounding: hidden states at most ${percent(Math.max(...layers.map(({ hidden }) => hidden)))} off`;
  }
  return (
    `Hidden states are ${percent(last.hidden)} off after the last layer: loss ${rise(loss.other - loss.exact)} nats per token, ` +
    `${percent(1 - agreement)} of ${counted(tokens, "prediction")} changed, KL ${short(divergence)}`
  );
}

function worst(named: readonly [string, OutputErrors][]): string {
  const sorted = [...named].sort(([, a], [, b]) => a.outputs.divergence - b.outputs.divergence);
  const [least, most] = [sorted[0]!, sorted.at(-1)!];
  const said = ([name, { outputs }]: [string, OutputErrors]) =>
    `${name} (KL ${short(outputs.divergence)} nats)`;
  return `Errors by layer: ${said(least)} changes the predictions least, ${said(most)} most`;
}

function byLayer({ layers, outputs }: OutputErrors) {
  const { logits, divergence, agreement, loss } = outputs;
  const cell = (x: number | undefined) => (x === undefined ? "" : percent(x));
  const ofAlone = layers.some(({ alone }) => alone !== undefined);
  const row = (name: string, ...cells: string[]) => [name, ...cells, ...(ofAlone ? [""] : [])];
  return {
    heads: ["after", "weights", "hidden states", ...(ofAlone ? ["alone: KL, nats"] : [])],
    rows: [
      ...layers.map(({ layer, weights, hidden, alone }) => [
        layer === "embedding" ? layer : `layer ${layer}`,
        cell(weights),
        cell(hidden),
        ...(ofAlone ? [short(alone!)] : []),
      ]),
      row("logits", "", percent(logits)),
      row("same most probable token", "", percent(agreement)),
      row("KL divergence, nats per token", "", short(divergence)),
      row("loss before and after, nats per token", nats(loss.exact), nats(loss.other)),
    ],
  };
}

function byName(named: readonly [string, OutputErrors][]) {
  return {
    heads: [
      "",
      "weights",
      "hidden states, last layer",
      "logits",
      "same token",
      "KL, nats",
      "loss, nats",
      "rise",
    ],
    rows: named.map(([name, { layers, outputs, weights }]) => [
      name,
      weights ? percent(weights.relative) : "",
      percent(layers.at(-1)!.hidden),
      percent(outputs.logits),
      percent(outputs.agreement),
      short(outputs.divergence),
      nats(outputs.loss.other),
      rise(outputs.loss.other - outputs.loss.exact),
    ]),
  };
}

/** One row per layer, as a danfo DataFrame. */
export function outputErrorTable({ layers }: OutputErrors): DataFrame {
  const rows = layers.map(({ layer, weights, hidden }) => [layer, weights ?? Number.NaN, hidden]);
  return dataFrame(rows, ["layer", "weights", "hidden"]);
}
