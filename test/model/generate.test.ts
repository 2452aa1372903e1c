import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs";
import { trace } from "../../src/engine";
import { capacityFor, type Decodable, Decoder } from "../../src/model/decoder";
import { Generation, generate, generateBatch, stream, type TextModel } from "../../src/model/generate";
import { baseLayers, hiddenStates, logits } from "../../src/model/transformer";
import { byteTokenizer, randomWeights, tinyConfig, toTensor } from "./tiny";

const tokenizer = byteTokenizer();
const config = tinyConfig({ vocab_size: tokenizer.vocabSize });

/** A model that continues every prompt with this text and then ends; each row its own. */
function parrot(...texts: string[]): TextModel & { steps: number } {
  const answers = texts.map((text) => [...tokenizer.encode(text), 0]);
  const said = texts.map(() => 0);
  const { layers, kvHeads, headDim, vocabSize } = config;
  const model = {
    config,
    tokenizer,
    steps: 0,
    async run(_key: string, _body: unknown, specs: Record<string, { shape: number[] }>) {
      model.steps++;
      const [batch, width] = specs.ids.shape;
      const scores = new Float32Array(batch * vocabSize);
      for (let row = 0; row < batch; row++) scores[row * vocabSize + (answers[row][said[row]++] ?? 0)] = 1;
      const shape = [layers, batch, kvHeads, width, headDim];
      const empty = {
        data: new Float32Array(layers * batch * kvHeads * width * headDim),
        shape,
        dtype: "float32",
      };
      return {
        logits: { data: scores, shape: [batch, vocabSize], dtype: "float32" },
        keys: empty,
        values: empty,
      };
    },
  };
  return model as unknown as TextModel & { steps: number };
}

/** A real model with random weights, its programs built by the engine and counted. */
function tinyModel(): TextModel & { built: string[]; naive(ids: number[]): Float32Array } {
  const weights = randomWeights(config);
  const layers = () => baseLayers(config, (name) => toTensor(weights.get(name)!));
  const programs = new Map<string, ReturnType<typeof trace>>();
  const built: string[] = [];
  const run: Decodable["run"] = async (key, body, specs, inputs) => {
    const id = key + JSON.stringify(specs);
    if (!programs.has(id)) {
      built.push(key);
      programs.set(
        id,
        trace((x) => body(layers(), x), specs),
      );
    }
    return (await programs.get(id)!).run(inputs);
  };
  /** Logits after the last token, by one eager pass over all of them. */
  const naive = (ids: number[]) =>
    tf.tidy(() => {
      const all = logits(
        layers(),
        hiddenStates(config, layers(), tf.tensor2d([ids], undefined, "int32")).hidden,
      );
      return all.slice([ids.length - 1, 0], [1, config.vocabSize]).dataSync() as Float32Array;
    });
  return { config, tokenizer, run, built, naive };
}

const assertClose = (got: Float32Array, want: Float32Array) => {
  const worst = Math.max(...got.map((x, i) => Math.abs(x - want[i])));
  assert.ok(got.length === want.length && worst < 1e-4, `differ by ${worst}`);
};

describe("decoding with kept keys and values", () => {
  before(() => tf.setBackend("cpu"));
  const model = tinyModel();
  const ids = (length: number, seed: number) =>
    Array.from({ length }, (_, i) => (i * i * 7 + seed * 13 + 1) % 257);

  it("gives the logits of reading everything anew, for prompts of different lengths and token by token", async () => {
    const rows = [ids(45, 1), ids(7, 2), ids(32, 3)];
    const decoder = new Decoder(model, 3, 64);
    const first = await decoder.feed(rows);
    for (const [i, row] of rows.entries()) assertClose(first[i]!, model.naive(row));

    const second = await decoder.feed([[5], [], [6]]);
    assert.equal(second[1], undefined);
    assertClose(second[0]!, model.naive([...rows[0], 5]));
    assertClose(second[2]!, model.naive([...rows[2], 6]));

    const third = await decoder.feed([[], [9, 8], [7]]);
    assertClose(third[1]!, model.naive([...rows[1], 9, 8]));
    assertClose(third[2]!, model.naive([...rows[2], 6, 7]));
    assert.deepEqual([...decoder.lengths], [46, 9, 34]);
  });

  it("goes on in several rows from one that has been read, each on its own", async () => {
    const read = [ids(7, 1), ids(30, 2)];
    const decoder = new Decoder(model, 2, 64);
    await decoder.feed(read);
    const next = await decoder.spread([1, 0, 1]).feed([[5], [6], [7]]);
    assertClose(next[0]!, model.naive([...read[1], 5]));
    assertClose(next[1]!, model.naive([...read[0], 6]));
    assertClose(next[2]!, model.naive([...read[1], 7]));
  });

  it("builds one program for a token and one for a stretch, whatever the lengths", async () => {
    const before = model.built.length;
    await new Decoder(model, 3, 64).feed([ids(60, 1), ids(3, 2), ids(1, 3)]);
    assert.equal(model.built.length, before);
    assert.deepEqual(new Set(model.built), new Set(["decode 32/64", "decode 1/64"]));
  });

  it("fills a cache to the last place and refuses one more", async () => {
    const decoder = new Decoder(model, 1, 64);
    const full = ids(64, 4);
    assertClose((await decoder.feed([full]))[0]!, model.naive(full));
    await assert.rejects(decoder.feed([[1]]), /row 0 would hold 65 tokens, its cache has room for 64/);
  });

  it("has few capacities, none beyond the context", () => {
    assert.deepEqual(
      [1, 64, 65, 128, 200, 300].map((n) => capacityFor(n, 250)),
      [64, 64, 128, 128, 250, 250],
    );
    assert.equal(capacityFor(3, 16), 16);
  });

  it("generates greedily what repeated full passes give", async () => {
    const want = ids(5, 9);
    for (let i = 0; i < 8; i++) {
      const scores = model.naive(want);
      want.push(scores.indexOf(Math.max(...scores)));
    }
    const { ids: got } = await generate(model, want.slice(0, 5), { maxTokens: 8, stopTokens: [] });
    assert.deepEqual(got, want.slice(5));
  });

  it("draws the same for the same seed, another text for another, and each row by its own seed", async () => {
    const draw = async (seed: number) =>
      (await generate(model, "ab", { temperature: 1, seed, maxTokens: 12, stopTokens: [] })).ids;
    const [first, again, other] = [await draw(1), await draw(1), await draw(2)];
    assert.deepEqual(again, first);
    assert.notDeepEqual(other, first);
    const batch = await generateBatch(model, ["ab", "ab"], {
      temperature: 1,
      seed: 1,
      maxTokens: 12,
      stopTokens: [],
    });
    assert.deepEqual(
      batch.map((g) => g.ids),
      [first, other],
    );
  });
});

describe("generation", () => {
  it("ends with the end-of-text token, which is not part of the text", async () => {
    const expected = new Generation("Q", "Amsterdam.", tokenizer.encode("Amsterdam."), "stop", 0);
    assert.deepEqual(await generate(parrot("Amsterdam."), "Q"), expected);
  });

  it("ends at other stop tokens instead when told", async () => {
    const comma = tokenizer.encode(",")[0];
    const { text, finish, stopToken } = await generate(parrot("one, two"), "Q", { stopTokens: [comma] });
    assert.deepEqual([text, finish, stopToken], ["one", "stop", comma]);
  });

  it("ends at maxTokens, and reads no token that it will not follow", async () => {
    const model = parrot("abcdefgh");
    const { text, finish } = await generate(model, "Q", { maxTokens: 3 });
    assert.deepEqual([text, finish, model.steps], ["abc", "length", 3]);
  });

  it("ends where the context ends", async () => {
    const { ids, finish } = await generate(parrot("x".repeat(99)), Array(60).fill(1), { maxTokens: 50 });
    assert.deepEqual([ids.length, finish], [config.contextLength - 60, "length"]);
  });

  it("streams whole characters", async () => {
    const pieces: string[] = [];
    const { text } = await generate(parrot("a🙂é"), "Q", { onText: (piece) => pieces.push(piece) });
    assert.deepEqual(pieces, ["a", "🙂", "é"]);
    assert.equal(text, "a🙂é");
  });

  it("ends before the first stop string and never shows a part of it", async () => {
    const pieces: string[] = [];
    const options = { stop: ["\n\nQ", "END"], onText: (piece: string) => pieces.push(piece) };
    const { text, finish } = await generate(parrot("one\n\ntwo EN\n\nQ: three END"), "Q", options);
    assert.deepEqual([text, finish], ["one\n\ntwo EN", "stop"]);
    assert.equal(pieces.join(""), text);
    assert.ok(pieces.includes("\n\nt"), "what turns out to be no stop string is shown at once");
  });

  it("shows in the end what might have become a stop string", async () => {
    const pieces: string[] = [];
    const { text } = await generate(parrot("abc EN"), "Q", {
      stop: "END",
      onText: (piece) => pieces.push(piece),
    });
    assert.equal(text, "abc EN");
    assert.equal(pieces.join(""), text);
  });

  it("is an async iterator; leaving the loop stops the model", async () => {
    const model = parrot("abcdefgh");
    let text = "";
    for await (const piece of stream(model, "Q")) {
      text += piece;
      if (text.length === 3) break;
    }
    assert.deepEqual([text, model.steps], ["abc", 3]);
  });

  it("stops after the current token when aborted, and gives what there is", async () => {
    const controller = new AbortController();
    const model = parrot("abcdefgh");
    const onText = (piece: string) => piece === "c" && controller.abort();
    const { text, finish } = await generate(model, "Q", {
      signal: controller.signal,
      onText: onText as () => void,
    });
    assert.deepEqual([text, finish, model.steps], ["abc", "aborted", 3]);
  });

  it("obeys the running cell's interrupt", async () => {
    const cell = globalThis as Record<symbol, unknown>;
    cell[Symbol.for("Jupyter.signal")] = AbortSignal.abort();
    try {
      const { text, finish } = await generate(parrot("abc"), "Q");
      assert.deepEqual([text, finish], ["", "aborted"]);
    } finally {
      delete cell[Symbol.for("Jupyter.signal")];
    }
  });

  it("continues several texts at once, each to its own end", async () => {
    const model = parrot("first", "second one", "x".repeat(40));
    const answers = await generateBatch(model, ["A", "B", "C"], { maxTokens: 20 });
    assert.deepEqual(
      answers.map(({ text, finish }) => [text, finish]),
      [
        ["first", "stop"],
        ["second one", "stop"],
        ["x".repeat(20), "length"],
      ],
    );
    assert.deepEqual(await generateBatch(model, []), []);
  });

  it("refuses a prompt that is empty, too long or not of this vocabulary, and impossible settings", async () => {
    const model = parrot("");
    await assert.rejects(generate(model, ""), /the prompt is empty/);
    await assert.rejects(
      generate(model, Array(64).fill(1)),
      /prompt has 64 tokens and the model's context is 64: shorten it to 63/,
    );
    await assert.rejects(generate(model, [1, 257]), /token id 257 is not in the vocabulary of 257/);
    await assert.rejects(generate(model, "Q", { temperature: -1 }), /temperature/);
    await assert.rejects(generate(model, "Q", { topP: 2 }), /topP/);
    await assert.rejects(
      generate(model, "Q", { maxTokens: 0 }),
      /maxTokens must be a whole number ≥ 1, got 0/,
    );
    await assert.rejects(generate(model, "Q", { stop: "" }), /a stop string must not be empty/);
    await assert.rejects(generateBatch(model, ["Q", ""]), /the prompt is empty/);
    assert.equal(model.steps, 0);
  });
});
