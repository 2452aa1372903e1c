import { loadModel } from "../../src/model/language-model";
import { readSafetensors } from "../../src/model/safetensors";
import { Decoder } from "../../src/model/decoder";
async function main() {
  const dir = `/work/scratch/model/full/${process.argv[2]}`;
  let t = performance.now();
  const model = await loadModel(dir);
  console.log("load s", (performance.now() - t) / 1000, model.parameterCount);
  const { tensors } = await readSafetensors(dir + "/reference.safetensors");
  const { data, shape } = tensors.get("ids")!;
  t = performance.now();
  const got = await model.logits([0, 1].map((i) => [...data.slice(i * shape[1], (i + 1) * shape[1])]));
  console.log("logits s", (performance.now() - t) / 1000);
  const want = tensors.get("logits")!.data; let w = 0, b = 0;
  for (const [i, x] of want.entries()) { w = Math.max(w, Math.abs(x - got.data[i])); b = Math.max(b, Math.abs(x)); }
  console.log("max|d|", w, "of", b);
  await model.dispose();
  const d = new Decoder(model, 1, 64);
  t = performance.now(); await d.feed([[1]]); console.log("decode build s", (performance.now() - t) / 1000);
  t = performance.now(); for (let i = 0; i < 10; i++) await d.feed([[i]]); console.log("ms/token", (performance.now() - t) / 10);
  console.log("rss GB", process.memoryUsage().rss / 1e9);
}
main();
