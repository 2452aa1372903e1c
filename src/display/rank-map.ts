/** Where AdaLoRA (arXiv:2303.10512) has put its ranks: by layer and kind of matrix. */
import type { AdaloraAdapter } from "../adapters";
import { columns, short } from "../measure/format";
import type { Adapted } from "../measure/updates";
import type { Figure } from "./figure";
import { heatMap } from "./heat-map";
import { table } from "./html";
import { byPlace, placeName } from "./place";

/**
 * The rank that each matrix has now, of a model with AdaLoRA in use; the table has the mean of each kind of matrix.
 * @throws when no adapter is in use, and for another method, whose ranks are set and not found
 */
export function rankMap({ adapter }: Adapted): Figure {
  if (adapter?.method !== "adalora") {
    const found = adapter ? `"${adapter.method}"` : "no adapter";
    throw new Error(`rankMap: expected a model with AdaLoRA in use, got ${found}: attach adalora(…) to it.`);
  }
  const { triplets, ranks } = adapter as AdaloraAdapter;
  const all = triplets.map(({ path }, i) => ({ path, value: ranks[i]! }));
  const { rows, modules, values, groups } = byPlace(all);
  const ascending = [...all].sort((a, b) => a.value - b.value);
  const [least, most] = [ascending[0]!, ascending.at(-1)!];
  const mean = (of: readonly { value: number }[]) =>
    of.reduce((sum, { value }) => sum + value, 0) / of.length;
  const title =
    least.value === most.value
      ? `All ${all.length} matrices have rank ${least.value}`
      : `Ranks from ${least.value} (${placeName(least.path)}) to ${most.value} (${placeName(most.path)}), ` +
        `${short(Number(mean(all).toFixed(2)))} on average`;
  const heads = ["module", "mean rank"];
  const body = [...groups].map(([module, of]) => [module, short(Number(mean(of).toFixed(2)))]);
  return heatMap(
    {
      title,
      values,
      rows,
      columns: modules,
      axes: { x: "module", y: "layer", value: "rank" },
      labelled: true,
    },
    {
      text: columns([heads, ...body], "lr"),
      html: table(
        heads.map((head, i) => ({ head, number: i > 0 })),
        body.map((cells) => ({ cells })),
      ),
    },
  );
}
