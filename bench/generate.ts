/** Tokens per second of generation with the KV cache: one text of 128 new tokens after a short prompt, greedy. */
import { availableParallelism } from "node:os";
import { lora } from "../src/adapters";
import { loadModel } from "../src/model/language-model";
import { resolveModelFolder } from "../src/model/places";
import { inTurns, median, peer, ratio, type Timed, timed } from "./measure";

const MODEL = process.env.BENCH_MODEL ?? "small";
const TOKENS = 128;
const PROMPT = "Once upon a time there was a";

export async function generateBench(): Promise<Record<string, unknown>> {
  const base = await loadModel(MODEL);
  const student = base.attach(lora({ rank: 8 }));
  // No stop token: every run writes the same number of tokens.
  const options = { maxTokens: TOKENS, stopTokens: [] };
  const contenders: Record<string, Timed> = {
    base: timed(() => base.generate(PROMPT, options)),
    lora: timed(() => student.generate(PROMPT, options)),
  };
  const ids = base.tokenizer.encode(PROMPT).join(",");
  const them = await peer("generate.py", resolveModelFolder(MODEL), String(availableParallelism()), ids);
  if (them) contenders.transformers = () => them.ask(String(TOKENS));
  const results = await inTurns(contenders, { rounds: 5, times: 2 });
  them?.close();
  const speed = (name: string) => (results[name] ? (1000 * TOKENS) / median(results[name].flat()) : null);
  return {
    tokensPerSecond: speed("base"),
    tokensPerSecondLora: speed("lora"),
    tokensPerSecondTransformers: speed("transformers"),
    ratioTransformers: ratio(results, "base", "transformers"),
  };
}
