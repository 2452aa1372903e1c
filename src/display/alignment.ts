/** Whether updates write where their weights were strong: by layer and module, and direction by direction. */
import { alignment, alignments } from "../measure/alignment";
import { columns, percent, short, times } from "../measure/format";
import { type Adapted, updateOf } from "../measure/updates";
import type { Figure } from "./figure";
import { heatMap } from "./heat-map";
import { table } from "./html";
import { byPlace, placeName } from "./place";

/**
 * Of the adapter in use: which part of each ΔW lies within the 8 strongest directions of its W, by layer and module; the
 * table has it beside what directions drawn at random have. Of one module: |cos| of each of ΔW's strongest directions with
 * each of W's.
 * @param path of a module, or the end of one: "layers.0.self_attn.q_proj"
 * @throws when no adapter is in use, and for a module that it does not change
 */
export function alignmentMap(model: Adapted, path?: string): Figure {
  return path === undefined ? overview(model) : oneByOne(model, path);
}

function overview(model: Adapted): Figure {
  const all = alignments(model).map((one) => ({ ...one, value: one.share }));
  const changed = all.filter(({ share }) => Number.isFinite(share));
  const mean = (list: number[]) => list.reduce((sum, x) => sum + x, 0) / list.length;
  const [share, chance] = [
    mean(changed.map(({ share }) => share)),
    mean(changed.map(({ chance }) => chance)),
  ];
  const title =
    changed.length === 0
      ? "No matrix has changed yet: ΔW = 0 everywhere"
      : `${percent(Number(share.toPrecision(2)))} of ‖ΔW‖² lies in W's 8 strongest directions, ` +
        `${times(Number((share / chance).toPrecision(2)))} what chance gives`;
  const { rows, modules, values, groups } = byPlace(all);
  const heads = ["module", "in W's 8 strongest", "by chance"];
  const body = [...groups].map(([module, of]) => [
    module,
    percent(mean(of.map(({ share }) => share))),
    percent(mean(of.map(({ chance }) => chance))),
  ]);
  return heatMap(
    {
      title,
      values: values.map((row) => row.map((x) => (x === null ? null : 100 * x))),
      rows,
      columns: modules,
      axes: { x: "module", y: "layer", value: "part of ‖ΔW‖² (%)" },
    },
    {
      text: columns([heads, ...body], "lrr"),
      html: table(
        heads.map((head, i) => ({ head, number: i > 0 })),
        body.map((cells) => ({ cells })),
      ),
    },
  );
}

function oneByOne(model: Adapted, path: string): Figure {
  const update = updateOf(model, path);
  const cosines = alignment(update);
  const largest = Math.max(...cosines.flat());
  const numbered = (count: number) => Array.from({ length: count }, (_, i) => String(i + 1));
  const chance = 1 / Math.sqrt(update.before.shape[0]!);
  return heatMap({
    title:
      `${placeName(update.path)}: ΔW's and W's strongest directions have cosines up to ${short(largest)} ` +
      `(by chance about ${short(chance)})`,
    values: cosines,
    rows: numbered(cosines.length),
    columns: numbered(cosines[0]!.length),
    axes: { x: "direction of W, the strongest first", y: "direction of ΔW", value: "|cos|" },
    range: [0, 1],
  });
}
