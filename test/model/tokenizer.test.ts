import assert from "node:assert/strict";
import fc from "fast-check";
import { Tokenizer } from "../../src/model/tokenizer";
import { byteTokenizer } from "./tiny";

const MERGES: [string, string][] = [
  ["t", "h"],
  ["th", "e"],
  ["Ġ", "the"],
  ["Ã", "©"], // the two bytes of é
  ["ð", "Ł"], // the first two of an emoji's four
];
const tokenizer = byteTokenizer(MERGES);
const texts = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc.string({ unit: "binary" }),
  fc.constantFrom(" the thé 🙂 e.g. , ."),
);

/** Whether a string's element is one half of a surrogate pair. */
const isHalf = (character: string) => /^[\ud800-\udfff]$/.test(character);

describe("tokenizer", () => {
  it("merges bytes to tokens in the order of the merges", () => {
    assert.deepEqual(
      tokenizer.encode("the the").map((id) => tokenizer.token(id)),
      ["the", "Ġthe"],
    );
    assert.deepEqual(
      tokenizer.encode("é").map((id) => tokenizer.token(id)),
      ["Ã©"],
    );
    assert.equal(tokenizer.id("Ġthe"), tokenizer.encode(" the")[0]);
  });

  it("gives back any text exactly", () => {
    const check = (text: string) => assert.equal(tokenizer.decode(tokenizer.encode(text)), text);
    fc.assert(fc.property(texts, check));
  });

  it("knows its size and which tokens end and pad a text", () => {
    assert.equal(tokenizer.vocabSize, 257 + MERGES.length);
    assert.deepEqual(tokenizer.eosIds, [0]);
    assert.equal(tokenizer.padId, 0);
    assert.equal(tokenizer.bosId, undefined);
    const json = new Map([...tokenizer.files].slice(0, 1));
    const fromModel = new Tokenizer(json, { bosTokenId: 5, eosTokenIds: [3, 7], padTokenId: undefined });
    assert.deepEqual([fromModel.bosId, fromModel.eosIds, fromModel.padId], [5, [3, 7], undefined]);
    const generation = new Map([
      ...tokenizer.files,
      ["generation_config.json", '{ "eos_token_id": [4, 0] }'],
    ]);
    assert.deepEqual(new Tokenizer(generation, { eosTokenIds: [3, 7] }).eosIds, [0, 4]);
  });

  it("shows special tokens or leaves them out", () => {
    const ids = [...tokenizer.encode("a"), 0, ...tokenizer.encode("b")];
    assert.equal(tokenizer.decode(ids), "a<|end|>b");
    assert.equal(tokenizer.decode(ids, { special: false }), "ab");
    assert.deepEqual(tokenizer.encode("a<|end|>b"), ids);
  });

  it("leaves out ids that a padded embedding has beyond the vocabulary", () => {
    assert.equal(tokenizer.decode([...tokenizer.encode("a"), 5000]), "a");
    assert.equal(tokenizer.decode([]), "");
  });

  it("streams the same text in whole characters", () => {
    fc.assert(
      fc.property(texts, texts, (before, text) => {
        const ids = tokenizer.encode(text);
        const stream = tokenizer.stream(tokenizer.encode(before));
        const pieces = ids.map((id) => stream.push(id));
        const isWhole = (piece: string) =>
          [...piece].every((character) => !isHalf(character)) &&
          (!piece.includes("\ufffd") || text.includes("\ufffd"));
        assert.ok(pieces.every(isWhole), JSON.stringify(pieces));
        assert.equal(pieces.join("") + stream.end(), text);
      }),
    );
  });

  it("emits a character with the token that completes it", () => {
    const stream = tokenizer.stream();
    const pieces = tokenizer.encode("a🙂b").map((id) => stream.push(id));
    assert.deepEqual(pieces, ["a", "", "", "🙂", "b"]);
  });

  it("gives what is left when the text ends within a character", () => {
    const stream = tokenizer.stream();
    assert.equal(stream.push(tokenizer.encode("🙂")[0]), "");
    assert.equal(stream.end(), "\ufffd");
    assert.equal(stream.end(), "");
  });

  it("keeps the spaces that a decoder strips at the beginning of a text only", () => {
    // The decoder of Llama 2's tokenizer.
    const decoder = {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: "▁" }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
        { type: "Strip", content: " ", start: 1, stop: 0 },
      ],
    };
    const vocab = { "▁one": 0, "▁two": 1, "▁three": 2, "<0xC3>": 3, "<0xA9>": 4 };
    const json = {
      added_tokens: [],
      normalizer: null,
      pre_tokenizer: null,
      post_processor: null,
      decoder,
      model: { type: "BPE", vocab, merges: [], byte_fallback: true },
    };
    const words = new Tokenizer(new Map([["tokenizer.json", JSON.stringify(json)]]));
    const fresh = words.stream();
    assert.deepEqual(
      [0, 1, 3, 4, 2].map((id) => fresh.push(id)),
      ["one", " two", "", "é", " three"],
    );
    const continued = words.stream([0]);
    assert.deepEqual(
      [1, 2].map((id) => continued.push(id)),
      [" two", " three"],
    );
  });

  it("is refused when its file is broken, with the file's name", () => {
    const make = (text: string) => new Tokenizer(new Map([["tokenizer.json", text]]));
    assert.throws(() => make("{"), /tokenizer\.json: not JSON/);
    assert.throws(() => make("{}"), /tokenizer\.json: .*model/);
  });
});
