/**
 * Modules that are trained whole beside an adapter's updates: PEFT's `modules_to_save`.
 *
 * The adapter owns a copy of the module's weights under their own names, which stands in for them. A head that is tied to
 * the embedding comes apart from it when either of the two is trained. One module the base has not: "score", which makes
 * one number of a hidden state, for a reward model.
 */
import type { HostArray } from "../engine";
import type { AdapterContext, Base } from "../model/adapter";
import type { Parameters } from "../model/parameters";
import { baseLayers, type Layers } from "../model/transformer";

const EMBEDDING = "model.embed_tokens";
const HEAD = "lm_head";
/** A linear layer [1, hiddenSize] without bias, zero at the start. transformers: the head of sequence classification. */
export const SCORE = "score";

export interface WholeModules {
  /** What to train, by the weights' names: the base's own arrays, for `Parameters` to copy. */
  arrays: Map<string, HostArray>;
  /** Layers that take the modules' weights from the adapter. */
  layers(base: Layers, context: AdapterContext): Layers;
}

/** Paths of all modules that have weights, a tied head included. */
export const modulePaths = ({ weights, config }: Base): string[] => [
  ...new Set([...weights.keys()].map((name) => name.replace(/\.(weight|bias)$/, ""))),
  ...(config.tiedEmbeddings ? [HEAD] : []),
];

/**
 * @param names of modules, or ends of their paths from a dot on
 * @param targets paths of the modules that get an update instead
 * @throws for a name that no module has, and for a module that is a target as well
 */
export function wholeModules(
  method: string,
  base: Base,
  names: readonly string[],
  targets: readonly { path: string }[],
): WholeModules {
  const { config, weights } = base;
  const paths = new Set(
    names.flatMap((name) => {
      if (name === SCORE) return [SCORE];
      const found = modulePaths(base).filter((path) => path === name || path.endsWith(`.${name}`));
      if (found.length === 0) {
        const known = [...new Set(modulePaths(base).map((path) => path.split(".").at(-1)))].join(", ");
        throw new Error(
          `${method}: modulesToSave has "${name}", which matches no module; there are ${known}.`,
        );
      }
      return found;
    }),
  );
  const both = targets.find(({ path }) => paths.has(path));
  if (both) {
    throw new Error(
      `${method}: ${both.path} is a target and in modulesToSave: it can get an update or be trained whole, not both.`,
    );
  }
  const arrays = new Map(
    [...paths].flatMap((path) =>
      ["weight", "bias"].flatMap((part): [string, HostArray][] => {
        const name = `${path}.${part}`;
        const tied = config.tiedEmbeddings && name === `${HEAD}.weight`;
        const array =
          name === `${SCORE}.weight`
            ? zeros([1, config.hiddenSize])
            : weights.get(tied ? `${EMBEDDING}.weight` : name);
        return array ? [[name, array]] : [];
      }),
    ),
  );
  return {
    arrays,
    layers(base, { parameter }) {
      const own = baseLayers({ ...config, tiedEmbeddings: false }, parameter);
      const of = (path: string) => (paths.has(path) ? own : base);
      return {
        linear: (path, x) => of(path).linear(path, x),
        embedding: (path, ids) => of(path).embedding(path, ids),
        norm: (path, x) => of(path).norm(path, x),
      };
    },
  };
}

const zeros = (shape: number[]): HostArray => ({
  data: new Float32Array(shape.reduce((product, n) => product * n, 1)),
  shape,
  dtype: "float32",
});

/**
 * The weights that an adapter changes: the given ones, those that stand in for the base's, and the head on its own where
 * it was tied to an embedding that changes.
 */
export function mergedWeights(
  { config, weights }: Base,
  updated: [string, HostArray][],
  whole: WholeModules,
  parameters: Parameters,
): Map<string, HostArray> {
  const copies = [...whole.arrays.keys()].map((name): [string, HostArray] => {
    const array = parameters.get(name);
    return [name, { ...array, data: array.data.slice() }];
  });
  const merged = new Map([...updated, ...copies]);
  const [embedding, head] = [`${EMBEDDING}.weight`, `${HEAD}.weight`];
  if (config.tiedEmbeddings && merged.has(embedding) && !merged.has(head)) {
    merged.set(head, weights.get(embedding)!);
  }
  return merged;
}
