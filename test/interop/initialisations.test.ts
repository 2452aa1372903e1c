/** The decompositions against PyTorch's, and the initialisations of LoRA against PEFT's, with files both ways. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  eva,
  type LoraAdapter,
  loadAdapter,
  loftq,
  lora,
  olora,
  pissa,
  saveAdapter,
  svd,
} from "../../src/adapters";
import { product } from "../../src/adapters/low-rank";
import { qr } from "../../src/adapters/qr";
import type { HostArray } from "../../src/engine";
import { LanguageModel, loadModel } from "../../src/model/language-model";
import { readSafetensors } from "../../src/model/safetensors";
import { randomWeights, tinyConfig } from "../model/tiny";
import { lossAndGradient, relativeError, rowsOf } from "./compare";
import { reference } from "./python";

const tensorsOf = async (...path: string[]) => (await readSafetensors(join(...path))).tensors;

const PATTERNS = { rsLoRA: true, rankPattern: { down_proj: 3, q_proj: 2 }, alphaPattern: { up_proj: 3 } };
const CASES = {
  pissa: { init: pissa },
  "pissa-patterns": { init: pissa, ...PATTERNS },
  olora: { init: olora },
  "olora-patterns": { init: olora, ...PATTERNS },
};

describe("decompositions and initialisations", function () {
  this.timeout(300_000);
  let folder: string;
  let ids: HostArray;
  let labels: HostArray;
  let base: LanguageModel;

  before(async () => {
    folder = reference("initialisations_reference.py");
    const texts = await tensorsOf(folder, "ids.safetensors");
    [ids, labels] = [texts.get("ids")!, texts.get("labels")!];
    base = await loadModel(join(folder, "model"));
  });

  after(() => rmSync(folder, { recursive: true }));

  for (const name of ["square", "wide", "high", "decaying"]) {
    it(`of the ${name} matrix are PyTorch's, singular vectors up to their sign`, async () => {
      const tensors = await tensorsOf(folder, "decompositions.safetensors");
      const part = (key: string) => tensors.get(`${name}.${key}`)!;
      const [rows, columns] = part("w").shape as [number, number];
      const n = Math.min(rows, columns);
      for (const count of [n, 8]) {
        const { values, left, right } = svd(part("w"), count);
        const largest = part("values").data[0]!;
        values.forEach((value, k) => {
          const close = (got: number, want: number, what: string) =>
            assert.ok(Math.abs(got - want) < 1e-5, `${what} ${k}: ${got}, expected ${want}`);
          close(value / largest, part("values").data[k]! / largest, "value");
          // Vectors of values that are close to each other turn with the last bits of the matrix.
          const gap = Math.min(
            ...[k - 1, k + 1].map((i) => Math.abs(value - (part("values").data[i] ?? Infinity))),
          );
          if (gap / largest < 1e-3) return;
          const their = (i: number) => part("right").data[k * columns + i]!;
          const sign = Math.sign(right[k]!.reduce((sum, x, i) => sum + x * their(i), 0));
          right[k]!.forEach((x, i) => {
            close(sign * x, their(i), "right vector");
          });
          left[k]!.forEach((x, i) => {
            close(sign * x, part("left").data[i * n + k]!, "left vector");
          });
        });
      }
      const { q, r } = qr(part("w"));
      const flat = (vectors: Float64Array[], shape: number[]): HostArray => ({
        data: Float32Array.from(vectors.flatMap((vector) => [...vector])),
        shape,
        dtype: "float32",
      });
      assert.ok(relativeError(flat(r, [n, columns]), part("r")) < 1e-5);
      const across = part("q").data;
      const theirs = Array.from({ length: n }, (_, j) =>
        Float64Array.from({ length: rows }, (_, i) => across[i * n + j]!),
      );
      assert.ok(relativeError(flat(q, [n, rows]), flat(theirs, [n, rows])) < 1e-5);
    });
  }

  for (const [name, settings] of Object.entries(CASES)) {
    it(`${name}: starts where PEFT starts`, async () => {
      const expected = await tensorsOf(folder, name, "reference.safetensors");
      const student = base.attach(lora({ rank: 4, alpha: 10, ...settings }));
      assert.ok(relativeError(await student.logits(rowsOf(ids)), expected.get("start")!) < 1e-4);
      const { parameters } = student.adapter!;
      const paths = parameters.names.flatMap((key) => key.match(/(.*)\.lora_A\.weight/)?.[1] ?? []);
      for (const path of paths) {
        // A and B themselves are unique up to signs only, their product is unique.
        const [b, a] = ["B", "A"].map((matrix) => `${path}.lora_${matrix}.weight`) as [string, string];
        const [got, want] = [
          product(parameters.get(b), parameters.get(a)),
          product(expected.get(`first.${b}`)!, expected.get(`first.${a}`)!),
        ];
        const array = (data: Float32Array): HostArray => ({ data, shape: [data.length], dtype: "float32" });
        assert.ok(relativeError(array(got), array(want)) < 1e-5, path);
        if (name.startsWith("olora"))
          assert.ok(relativeError(parameters.get(a), expected.get(`first.${a}`)!) < 1e-5);
      }
    });

    it(`${name}: PEFT's file, which begins with the decomposition, gives PEFT's logits, loss and gradients`, async () => {
      const expected = await tensorsOf(folder, name, "reference.safetensors");
      const student = await loadAdapter(base, join(folder, name, "adapter"));
      assert.ok(relativeError(await student.logits(rowsOf(ids)), expected.get("logits")!) < 1e-4);
      const { loss, gradient } = await lossAndGradient(student, ids, labels);
      assert.ok(Math.abs(loss - expected.get("loss")!.data[0]!) < 1e-5);
      for (const [key, got] of gradient) {
        const error = relativeError(got, expected.get(`grad.${key}`)!);
        assert.ok(error < 1e-3, `${key}: relative error ${error}`);
      }
    });
  }

  it("eva: starts from PEFT's directions with PEFT's ranks and scales", async () => {
    const method = await eva(base, rowsOf(ids), { rank: 4, alpha: 10 });
    const loaded = await loadAdapter(base, join(folder, "eva", "adapter"));
    const expected = await tensorsOf(folder, "eva", "reference.safetensors");
    assert.ok(relativeError(await loaded.logits(rowsOf(ids)), expected.get("logits")!) < 1e-4);
    const student = base.attach(method);
    const theirs = loaded.adapter as LoraAdapter;
    const places = ({ pairs }: LoraAdapter) =>
      pairs.map(({ path, rank, scale }) => [path, rank, scale.toFixed(6)]);
    assert.deepEqual(places(student.adapter as LoraAdapter), places(theirs));
    assert.ok(new Set(method.ranks.values()).size > 2, "ranks differ");
    for (const { a, b } of theirs.pairs) {
      // PEFT's singular vectors are approximate (torch.svd_lowrank with four iterations).
      assert.ok(relativeError(student.adapter!.parameters.get(a), theirs.parameters.get(a)) < 5e-3, a);
      student.adapter!.parameters.set(b, theirs.parameters.get(b).data);
    }
    assert.ok(relativeError(await student.logits(rowsOf(ids)), expected.get("logits")!) < 5e-3);
  });

  it("loftq: fits codes and adapter as PEFT does", async () => {
    const tensors = await tensorsOf(folder, "loftq.safetensors");
    const w = tensors.get("w")!;
    for (const iterations of [1, 5]) {
      const part = (key: string) => tensors.get(`${iterations}.${key}`)!;
      // A model of which only one matrix matters.
      const config = tinyConfig({ hidden_size: 96, intermediate_size: 64 });
      const name = "model.layers.1.mlp.up_proj";
      const weights = new Map([...randomWeights(config), [`${name}.weight`, w]]);
      const student = loftq(new LanguageModel({ name: "one", config, weights }), {
        rank: 8,
        iterations,
        targets: [name],
      });
      assert.ok(
        relativeError({ ...w, data: student.weights.get(`${name}.weight`)!.data }, part("quantized")) < 1e-5,
      );
      const { parameters } = student.adapter!;
      const update = (b: HostArray, a: HostArray): HostArray => ({ ...w, data: product(b, a) });
      const got = update(parameters.get(`${name}.lora_B.weight`), parameters.get(`${name}.lora_A.weight`));
      assert.ok(relativeError(got, update(part("b"), part("a"))) < 1e-4);
    }
  });

  it("are written as ordinary LoRAs, which give the same logits in PEFT", async () => {
    const ours = mkdtempSync(join(tmpdir(), "loralab-initialisations-"));
    const names = Object.keys(CASES);
    const students = new Map<string, LanguageModel>();
    for (const name of names) {
      students.set(name, await loadAdapter(base, join(folder, name, "adapter")));
      await saveAdapter(students.get(name)!, join(ours, name));
    }
    const folders = names.map((name) => join(ours, name));
    const out = reference(
      "adapters_load.py",
      join(folder, "model"),
      join(folder, "ids.safetensors"),
      ...folders,
    );
    const loaded = await tensorsOf(out, "logits.safetensors");
    for (const name of names) {
      const error = relativeError(loaded.get(name)!, await students.get(name)!.logits(rowsOf(ids)));
      assert.ok(error < 1e-4, `${name}: relative error ${error}`);
    }
    for (const path of [out, ours]) rmSync(path, { recursive: true });
  });
});
