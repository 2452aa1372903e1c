/** Where in a model a module is, in words. */

/** "model.layers.3.self_attn.q_proj" → layer 3, q_proj; a module outside of the layers has no layer. */
export function placeOf(path: string): { layer: string; module: string } {
  return { layer: /layers\.(\d+)\./.exec(path)?.[1] ?? "–", module: path.split(".").at(-1)! };
}

/** "q_proj of layer 3" */
export function placeName(path: string): string {
  const { layer, module } = placeOf(path);
  return layer === "–" ? module : `${module} of layer ${layer}`;
}

/** Values of modules as a table: a row for each layer, a column for each kind of module, null where there is none. */
export function byPlace<T extends { path: string; value: number }>(all: readonly T[]) {
  const groups = new Map<string, T[]>();
  const found = new Map<string, number>();
  for (const one of all) {
    const { layer, module } = placeOf(one.path);
    groups.set(module, [...(groups.get(module) ?? []), one]);
    found.set(`${layer} ${module}`, one.value);
  }
  const modules = [...groups.keys()];
  const rows = [...new Set(all.map(({ path }) => placeOf(path).layer))];
  const values = rows.map((layer) =>
    modules.map((module) => {
      const value = found.get(`${layer} ${module}`);
      return value !== undefined && Number.isFinite(value) ? value : null;
    }),
  );
  return { rows, modules, values, /** Those of each kind of module. */ groups };
}
