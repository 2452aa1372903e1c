/** Which weight matrices a method applies to, by their names and shapes alone. */

/** A model's weights, of which no value is looked at. */
interface Shaped {
  weights: ReadonlyMap<string, { readonly shape: readonly number[] }>;
}

/**
 * - "all-linear": every linear layer but the output head (as in PEFT)
 * - "attention", "mlp": the linear layers of self-attention, of the feed-forward network
 * - a list of names: each matches a module of that name or path suffix, such as "q_proj" (PEFT's `target_modules`)
 * - a regular expression: matches whole paths
 */
export type Targets = "all-linear" | "attention" | "mlp" | readonly string[] | RegExp;

export interface LinearShape {
  /** Module path, such as "model.layers.0.self_attn.q_proj". */
  path: string;
  out: number;
  in: number;
}

/** A module that a method can change; an embedding reads as a linear layer of one-hot rows, with `in` the vocabulary. */
export interface TargetShape extends LinearShape {
  embedding?: boolean;
}

/** Every linear layer of the model, in the order of the forward pass; a tied head is not one. */
export function linearLayers({ weights }: Shaped): LinearShape[] {
  return [...weights].flatMap(([name, { shape }]) => {
    const path = name.replace(/\.weight$/, "");
    if (path === name || shape.length !== 2 || path.endsWith("embed_tokens")) return [];
    return [{ path, out: shape[0]!, in: shape[1]! }];
  });
}

const PRESETS: Record<string, RegExp> = {
  "all-linear": /(?!lm_head$).*/,
  attention: /.*\.self_attn\.\w+/,
  mlp: /.*\.mlp\.\w+/,
};

function embeddingLayers({ weights }: Shaped): TargetShape[] {
  return [...weights].flatMap(([name, { shape }]) =>
    name.endsWith("embed_tokens.weight")
      ? [{ path: name.replace(/\.weight$/, ""), out: shape[1]!, in: shape[0]!, embedding: true }]
      : [],
  );
}

/**
 * @param embeddings whether the embedding can be a target too, where a name or a pattern asks for it
 * @throws when nothing matches, or when a name of a list matches nothing; the message lists what there is
 */
export function selectTargets(
  base: Shaped,
  targets: Targets,
  { embeddings = false }: { embeddings?: boolean } = {},
): TargetShape[] {
  const linear = linearLayers(base);
  const layers: TargetShape[] =
    embeddings && typeof targets !== "string" ? [...embeddingLayers(base), ...linear] : linear;
  const matches = (pattern: string | RegExp) =>
    layers.filter(({ path }) =>
      typeof pattern === "string"
        ? path === pattern || path.endsWith(`.${pattern}`)
        : new RegExp(`^(?:${pattern.source})$`, pattern.flags).test(path),
    );
  const names = () => [...new Set(linear.map(({ path }) => path.split(".").at(-1)))].join(", ");
  const patterns =
    typeof targets === "string" ? [PRESETS[targets]] : targets instanceof RegExp ? [targets] : targets;
  if (patterns.length === 0 || patterns[0] === undefined) {
    throw new Error(
      `targets ${JSON.stringify(targets)} is not known: expected ${Object.keys(PRESETS).join(", ")}, ` +
        `a regular expression, or a list of module names such as ${names()}`,
    );
  }
  const selected = new Set<TargetShape>();
  for (const pattern of patterns as (string | RegExp)[]) {
    const found = matches(pattern);
    if (found.length === 0) {
      throw new Error(
        `target ${pattern} matches no linear layer of this model. Its linear layers are ${names()}; ` +
          `a full path looks like ${linear[0]?.path}`,
      );
    }
    for (const layer of found) selected.add(layer);
  }
  return layers.filter((layer) => selected.has(layer));
}
