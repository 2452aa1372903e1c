/**
 * The curve over all positions of an exploration, the present one marked: a line for a number, bars for modules and layers,
 * a map for two weights.
 */

import type { Exploration, Position } from "../measure/exploration";
import type { BlendExploration, BlendValue } from "../measure/explore";
import { columns, nats, percent } from "../measure/format";
import type { Switches } from "../measure/variants";
import { COLOURS, Figure, type Trace } from "./figure";
import { heatMap } from "./heat-map";
import { card, type Html, html, table } from "./html";
import { chart } from "./picture";

/**
 * The curve of an exploration with a position marked.
 * @param value one that was measured: given to `at` before, or of the curve
 */
export function explorationFigure(exploration: Exploration, value: unknown = exploration.start): Figure {
  const here = exploration.found(value);
  if (!here) throw new Error(`figure: ${exploration.label(value)} was not measured yet; await at(…) first.`);
  if (exploration.kind === "targets")
    return bars(exploration as Exploration<Switches>, here as Position<Switches>);
  if (exploration.kind === "blend") return map(exploration as BlendExploration, here as Position<BlendValue>);
  return line(exploration as Exploration<number>, here as Position<number>);
}

/** Losses at a position: "loss 0.52", or by the names of the sets. */
const lossesOf = ({ losses }: Position<unknown>): string =>
  Object.entries(losses)
    .map(([name, loss]) => `${name} ${nats(loss)}`)
    .join(", ");

const setName = (name: string): string => (name === "loss" ? "held-out loss" : name);

/** "Rank 2 of 8 keeps 93 % of ‖ΔW‖²: loss 0.52; all of it 0.48, none 2.31" */
function headline(exploration: Exploration, here: Position<unknown>): string {
  const { kind, all, none, sets } = exploration;
  const name = exploration.label(here.value);
  const place =
    kind === "rank"
      ? `Rank ${here.value} of ${all.value}`
      : name.replace(/^(?=all|layer|none)./, (c) => c.toUpperCase());
  const kept = here.kept === undefined ? "" : ` keeps ${percent(Number(here.kept.toPrecision(3)))} of ‖ΔW‖²`;
  if (sets.length === 0) return `${place}${kept}`;
  return `${place}${kept}: ${lossesOf(here)} (with all of ΔW ${lossesOf(all)}, without ${lossesOf(none)})`;
}

/** Every position with its numbers; the one at `here` marked. */
export function tableOf(exploration: Exploration, here?: unknown): { text: string; html: Html } {
  const { none, all, sets } = exploration;
  const present = here === undefined ? undefined : exploration.found(here);
  const isLine = exploration.kind === "rank" || exploration.kind === "scale";
  const positions = isLine
    ? onTheLine(exploration as Exploration<number>, present as Position<number> | undefined)
    : [...new Set([...(present ? [present] : []), all, none, ...exploration.positions])];
  const rows = positions.map((position) => [
    exploration.label(position.value) + (position === present ? " ◀" : ""),
    ...(all.kept === undefined ? [] : [percent(Number((position.kept ?? 0).toPrecision(3)))]),
    ...sets.map((name) => nats(position.losses[name]!)),
  ]);
  const heads = ["position", ...(all.kept === undefined ? [] : ["‖ΔW‖² kept"]), ...sets];
  return {
    text: columns([heads, ...rows], `l${"r".repeat(heads.length - 1)}`),
    html: table(
      heads.map((head, i) => ({ head, number: i > 0 })),
      rows.map((cells) => ({ cells })),
    ),
  };
}

/** The curve, and the present position where it is between two of the curve's. */
const onTheLine = ({ positions }: Exploration<number>, here?: Position<number>): Position<number>[] =>
  [...new Set([...positions, ...(here ? [here] : [])])].sort((p, q) => p.value - q.value);

// --- the curve of a number: rank, or factor ---

/** Above it ranks are drawn on a logarithmic axis, which has room for the small ones. */
const FEW_RANKS = 32;

function line(exploration: Exploration<number>, here: Position<number>): Figure {
  const { kind, sets, all } = exploration;
  const isRank = kind === "rank";
  const isWide = isRank && all.value > FEW_RANKS;
  const at = (value: number) => (isWide ? Math.log2(1 + value) : value);
  const axis = isRank ? "rank that is kept" : "factor of ΔW";
  const shown = onTheLine(exploration, here);
  const kept = shown.map(({ kept }) => Number((100 * (kept ?? 0)).toPrecision(4)));
  const title = headline(exploration, here);
  const traces = sets.map(
    (name, i): Trace => ({
      type: "scatter",
      mode: "lines+markers",
      name: setName(name),
      x: shown.map(({ value }) => at(value)),
      y: shown.map(({ losses }) => digits(losses[name]!)),
      text: shown.map(({ value }) => exploration.label(value)),
      line: { color: COLOURS[i % COLOURS.length], width: 2 },
      marker: {
        size: shown.map((position) => (position === here ? 13 : 5)),
        line: { color: "#808080", width: shown.map((position) => (position === here ? 2 : 0)) },
      },
      hovertemplate: "%{text}: %{y:.4~g} nats per token<extra>%{fullData.name}</extra>",
    }),
  );
  if (isRank) {
    traces.push({
      type: "scatter",
      mode: "lines+markers",
      name: "‖ΔW‖² kept",
      ...(sets.length > 0 && { yaxis: "y2" }),
      x: shown.map(({ value }) => at(value)),
      y: kept,
      line: { color: "#808080", dash: "dot", width: 2 },
      marker: { size: shown.map((position) => (position === here ? 11 : 4)) },
      hovertemplate: "rank %{customdata}: %{y:.4~g} % of ‖ΔW‖²<extra></extra>",
      customdata: shown.map(({ value }) => value),
    });
  }
  const labelled = [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024].filter((rank) => rank <= all.value);
  const keptAxis = { title: { text: "‖ΔW‖² kept (%)" }, range: [0, 103], tickvals: [0, 25, 50, 75, 100] };
  const rows = tableOf(exploration, here.value);
  const lines = [
    ...sets.map((name, i) => ({
      points: shown.map(({ value, losses }) => ({ x: at(value), y: losses[name]! })),
      colour: COLOURS[i % COLOURS.length]!,
      dots: true,
    })),
    ...(sets.length === 0
      ? [
          {
            points: shown.map(({ value }, i) => ({ x: at(value), y: kept[i]! })),
            colour: "#808080",
            dots: true,
          },
        ]
      : []),
  ];
  return new Figure(
    traces,
    {
      title: { text: wrapped(title) },
      margin: { l: 56, r: 16, t: 64, b: 44 },
      xaxis: {
        title: { text: axis },
        ...(isWide && { tickvals: labelled.map(at), ticktext: labelled.map(String) }),
      },
      ...(sets.length > 0 ? { yaxis: { title: { text: "loss (nats per token)" } } } : { yaxis: keptAxis }),
      ...(isRank &&
        sets.length > 0 && { yaxis2: { ...keptAxis, overlaying: "y", side: "right", showgrid: false } }),
      shapes: [marked(at(here.value))],
      legend: { orientation: "h", x: 0, y: -0.3, yanchor: "top" },
    },
    {
      text: [title, rows.text].join("\n"),
      html: card(
        html`<p>${title}</p>`,
        chart([...lines, { points: across(at(here.value), lines), colour: "#808080" }], title, {
          x: isWide ? "log₂(1 + rank)" : axis,
          y: sets.length > 0 ? "loss (nats per token)" : "‖ΔW‖² kept (%)",
        }),
        sets.length > 1
          ? html`<p>${sets.map((name, i) => html`<span style="color:${COLOURS[i % COLOURS.length]}">●</span> ${name} `)}</p>`
          : undefined,
        rows.html,
      ),
    },
  );
}

/** A line up and down at the present position. */
const marked = (x: number) => ({
  type: "line",
  x0: x,
  x1: x,
  yref: "paper",
  y0: 0,
  y1: 1,
  line: { color: "#808080", width: 1, dash: "dot" },
});

/** The same for the picture. */
function across(x: number, lines: readonly { points: readonly { y: number }[] }[]) {
  const ys = lines.flatMap(({ points }) => points.map(({ y }) => y));
  return ys.length === 0 ? [] : [Math.min(...ys), Math.max(...ys)].map((y) => ({ x, y }));
}

// --- modules and layers, alone and left out ---

function bars(exploration: Exploration<Switches>, here: Position<Switches>): Figure {
  const { all, none, positions, sets } = exploration;
  const set = sets[0];
  const measure = ({ losses, kept }: Position<Switches>) => (set ? losses[set]! : 100 * kept!);
  const [modules, layers] = [all.value.modules!, all.value.layers!];
  const places = [...modules, ...layers.map((layer) => `layer ${layer}`)];
  const alone = positions.filter((_, i) => i % 2 === 0);
  const without = positions.filter((_, i) => i % 2 === 1);
  const worst = [...without.keys()].sort((i, j) => measure(without[j]!) - measure(without[i]!))[0]!;
  const best = [...alone.keys()].sort((i, j) => measure(alone[i]!) - measure(alone[j]!))[0]!;
  const finding = set
    ? `. ${places[worst]} is missed most (${nats(measure(without[worst]!))} without it); ` +
      `${places[best]} alone does most (${nats(measure(alone[best]!))})`
    : "";
  const title = `${headline(exploration, here)}${finding}`;
  const isOn = (i: number) =>
    i < modules.length
      ? here.value.modules!.includes(modules[i]!)
      : here.value.layers!.includes(layers[i - modules.length]!);
  const labels = places.map((place, i) => (isOn(i) ? place : `(${place})`));
  const level = (position: Position<Switches>, name: string, colour: string, dash: string): Trace => ({
    type: "scatter",
    mode: "lines",
    name,
    x: labels,
    y: labels.map(() => digits(measure(position))),
    line: { color: colour, dash, width: 2 },
    hovertemplate: `${name}: %{y:.4~g}<extra></extra>`,
  });
  const bar = (list: readonly Position<Switches>[], name: string, colour: string): Trace => ({
    type: "bar",
    name,
    x: labels,
    y: list.map((position) => digits(measure(position))),
    marker: { color: colour },
    hovertemplate: `%{x} ${name}: %{y:.4~g}<extra></extra>`,
  });
  const rows = tableOf(exploration, here.value);
  const unit = set ? `${setName(set)} (nats per token)` : "‖ΔW‖² kept (%)";
  return new Figure(
    [
      bar(alone, "alone", COLOURS[0]!),
      bar(without, "left out", COLOURS[1]!),
      level(none, "none of ΔW", "#808080", "dot"),
      level(all, "all of ΔW", "#808080", "dash"),
      level(here, "as switched", COLOURS[2]!, "solid"),
    ],
    {
      title: { text: wrapped(title) },
      margin: { l: 56, r: 16, t: 84, b: 44 },
      height: 400,
      barmode: "group",
      xaxis: { title: { text: "module or layer of the change; switched off in brackets" }, type: "category" },
      yaxis: { title: { text: unit } },
      legend: { orientation: "h", x: 0, y: -0.3, yanchor: "top" },
    },
    {
      text: [title, rows.text].join("\n"),
      html: card(
        html`<p>${title}</p>`,
        chart(
          [
            { points: alone.map((p, x) => ({ x, y: measure(p) })), colour: COLOURS[0]!, dots: true },
            { points: without.map((p, x) => ({ x, y: measure(p) })), colour: COLOURS[1]!, dots: true },
            ...[none, all, here].map((p, i) => ({
              points: [0, places.length - 1].map((x) => ({ x, y: measure(p) })),
              colour: i === 2 ? COLOURS[2]! : "#808080",
            })),
          ],
          title,
          { x: places.map((place, i) => `${i} ${place}`).join(" · "), y: unit },
        ),
        html`<p><span style="color:${COLOURS[0]}">●</span> alone <span style="color:${COLOURS[1]}">●</span> left out <span style="color:${COLOURS[2]}">●</span> as switched</p>`,
        rows.html,
      ),
    },
  );
}

// --- two weights ---

function map(exploration: BlendExploration, here: Position<BlendValue>): Figure {
  const { names, grid, positions, sets, withoutCrossTerms } = exploration;
  const [one, other] = names;
  const { weights, crossTerms } = here.value;
  const mean = ({ losses }: Position<BlendValue>) =>
    sets.reduce((sum, name) => sum + losses[name]!, 0) / sets.length;
  const best = [...positions].sort((p, q) => mean(p) - mean(q))[0]!;
  const label = exploration.label(here.value);
  const least = sets.length > 0 ? `; least at ${exploration.label(best.value)}` : "";
  const isZero = weights[0] === 0 && weights[1] === 0;
  const size =
    withoutCrossTerms || isZero || Math.min(...weights) < 0 ? undefined : exploration.crossTerms(weights);
  const cross =
    size === undefined ? "" : `. Cross-terms would be ${percent(Number(size.toPrecision(3)))} of the sum`;
  const title = `${label}${sets.length > 0 ? `: ${lossesOf(here)}` : ""}${least}${crossTerms ? cross.replace("would be", "are") : cross}`;
  const rows = grid.map((w) => `${w}`);
  const values = grid.map((w) =>
    grid.map((v) => {
      const found = exploration.found({ weights: [w, v], crossTerms: false }) as
        | Position<BlendValue>
        | undefined;
      return found && sets.length > 0 ? mean(found) : null;
    }),
  );
  const figure = heatMap(
    {
      title,
      values,
      labelled: true,
      rows,
      columns: rows,
      axes: { x: `weight of ${other}`, y: `weight of ${one}`, value: "mean loss" },
      marked: { row: grid.indexOf(weights[0]), column: grid.indexOf(weights[1]) },
    },
    {
      text: columns(
        [
          ["", ...rows.map((v) => `${other} × ${v}`)],
          ...values.map((row, i) => [
            `${one} × ${rows[i]}`,
            ...row.map((loss, j) =>
              loss === null
                ? "–"
                : `${nats(loss)}${grid[i] === weights[0] && grid[j] === weights[1] ? " ◀" : ""}`,
            ),
          ]),
        ],
        `l${"r".repeat(rows.length)}`,
      ),
      html: [
        withoutCrossTerms ? html`<p>${sentence(withoutCrossTerms)}</p>` : undefined,
        table(
          ["", ...rows.map((v) => `${other} × ${v}`)].map((head, i) => ({ head, number: i > 0 })),
          values.map((row, i) => ({
            cells: [`${one} × ${rows[i]}`, ...row.map((loss) => (loss === null ? "–" : nats(loss)))],
          })),
        ),
      ],
    },
  );
  Object.assign(figure.layout, {
    title: { ...(figure.layout.title as object), text: wrapped(title) },
    margin: { l: 56, r: 16, t: 84, b: 44 },
  });
  return figure;
}

const sentence = (text: string) => `${text[0]!.toUpperCase()}${text.slice(1)}.`;

/** A title over two lines or three: its sentences, and what is in brackets. */
const wrapped = (title: string): string =>
  title.replace(". ", ".<br>").replace(" (with all", "<br>(with all");

const digits = (x: number): number => Number(x.toPrecision(5));
