/** The models that benchmarks run on: the one that comes with loralab, and random ones of larger shapes. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { generator, sizeOf } from "../src/engine";
import { parseConfig } from "../src/model/config";
import { LanguageModel, loadModel } from "../src/model/language-model";
import { writeModelFolder } from "../src/model/load";
import { packageRoot, resolveModelFolder } from "../src/model/places";
import { weightShapes } from "../src/model/transformer";

export interface Shape {
  hidden: number;
  mlp: number;
  layers: number;
  heads: number;
  kvHeads: number;
  vocabulary: number;
  context?: number;
}

/** "30M" is `small` made larger, "135M" is SmolLM2-135M's shape. */
export const SHAPES: Record<string, Shape> = {
  "30M": { hidden: 512, mlp: 1408, layers: 9, heads: 8, kvHeads: 8, vocabulary: 4096 },
  "135M": { hidden: 576, mlp: 1536, layers: 30, heads: 9, kvHeads: 3, vocabulary: 49152 },
  d1024: { hidden: 1024, mlp: 2816, layers: 12, heads: 16, kvHeads: 16, vocabulary: 4096, context: 1024 },
};

export function randomModel(name: string, shape: Shape): LanguageModel {
  const config = parseConfig({
    model_type: "llama",
    vocab_size: shape.vocabulary,
    hidden_size: shape.hidden,
    intermediate_size: shape.mlp,
    num_hidden_layers: shape.layers,
    num_attention_heads: shape.heads,
    num_key_value_heads: shape.kvHeads,
    max_position_embeddings: shape.context ?? 256,
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    tie_word_embeddings: true,
    eos_token_id: 0,
  });
  const random = generator(1);
  const weights = [...weightShapes(config)].map(([name, shape]) => {
    const draw = name.includes("norm") ? () => 1 : () => (2 * random() - 1) / Math.sqrt(shape[1]!);
    const data = Float32Array.from({ length: sizeOf(shape) }, draw);
    return [name, { data, shape, dtype: "float32" as const }] as const;
  });
  return new LanguageModel({ name, config, weights: new Map(weights) });
}

export const benchModel = async (name: string): Promise<LanguageModel> =>
  SHAPES[name] ? randomModel(name, SHAPES[name]) : loadModel(name);

/** A folder that transformers loads, of the same weights. */
export async function folderOf(model: LanguageModel): Promise<string> {
  if (!SHAPES[model.name]) return resolveModelFolder(model.name);
  const folder = join(packageRoot(), ".cache", "bench", model.name);
  if (!existsSync(join(folder, "config.json")))
    await writeModelFolder(folder, { config: model.config, weights: new Map(model.weights) as never });
  return folder;
}
