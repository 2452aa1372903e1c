import assert from "node:assert/strict";
import fc from "fast-check";
import { generator } from "../../src/engine";
import { Tokenizer } from "../../src/model/tokenizer";
import {
  batch,
  chunks,
  type Example,
  encode,
  pack,
  Rows,
  type Sequence,
  shuffle,
  supervised,
} from "../../src/train/data";
import { byteTokenizer } from "../model/tiny";

const tokenizer = byteTokenizer();
const END = 0;
/** What the byte tokenizer makes of a text. */
const bytes = (text: string) => [...Buffer.from(text)].map((byte) => 1 + byte);
const one = (example: Example, completionOnly?: boolean) =>
  encode(tokenizer, [example], { context: 32, completionOnly })[0]!;

describe("encode", () => {
  it("ends every example with end-of-text", () => {
    assert.deepEqual(one("ab"), { ids: [...bytes("ab"), END], from: 0 });
    assert.deepEqual(one({ text: "ab" }), one("ab"));
    assert.deepEqual(one({ prompt: "", completion: "ab" }), one("ab"));
    assert.deepEqual(one({ prompt: "ab", completion: "c" }).ids, [...bytes("abc"), END]);
  });

  it("takes token ids as they are", () => {
    const ids = [5, 6, 7];
    const sequence = one({ ids });
    assert.deepEqual(sequence, { ids: [5, 6, 7], from: 0 });
    assert.notEqual(sequence.ids, ids);
  });

  it("supervises from the last token of the prompt on, or everything when asked to", () => {
    const example = { prompt: "abc", completion: "de" };
    // Predictions are made at a b c d e; those at c, d and e are of "d", "e" and end-of-text.
    assert.equal(one(example).from, 2);
    assert.equal(supervised(one(example)), 3);
    assert.equal(one(example, false).from, 0);
    assert.equal(supervised(one(example, false)), 5);
    assert.equal(supervised(one({ prompt: "abc", completion: "" })), 1);
    assert.equal(supervised(one("abc")), 3);
  });

  it("lets the tokenizer's template begin a text once", () => {
    const json = JSON.parse(tokenizer.files.get("tokenizer.json")!);
    const [begin, text] = [
      { SpecialToken: { id: "<|end|>", type_id: 0 } },
      { Sequence: { id: "A", type_id: 0 } },
    ];
    json.post_processor = {
      type: "TemplateProcessing",
      single: [begin, text],
      pair: [begin, text, { Sequence: { id: "B", type_id: 1 } }],
      special_tokens: { "<|end|>": { id: "<|end|>", ids: [END], tokens: ["<|end|>"] } },
    };
    const beginning = new Tokenizer(new Map([...tokenizer.files, ["tokenizer.json", JSON.stringify(json)]]));
    const [plain, question] = encode(beginning, ["ab", { prompt: "ab", completion: "c" }], { context: 32 });
    assert.deepEqual(plain, { ids: [END, ...bytes("ab"), END], from: 0 });
    assert.deepEqual(question, { ids: [END, ...bytes("abc"), END], from: 2 });
  });

  it("takes an example of exactly the context and names one that is longer", () => {
    assert.equal(one("x".repeat(32)).ids.length, 33);
    assert.throws(
      () => encode(tokenizer, ["a", "x".repeat(33)], { context: 32 }),
      /Example 1 \("x{33}"…\) has 34 tokens; the model's context is 32\..*chunks/,
    );
  });

  it("supervises of a conversation the assistant's turns alone, or everything when asked to", () => {
    const template =
      "{% for m in messages %}{{ m.content }}{% if m.role == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}";
    const chatting = new Tokenizer(new Map([...tokenizer.files, ["chat_template.jinja", template]]));
    const turn = (role: string, content: string) => ({ role, content });
    const messages = [turn("user", "ab"), turn("assistant", "c"), turn("user", "d"), turn("assistant", "ef")];
    const [masked] = encode(chatting, [{ messages }], { context: 32 });
    const targets = (s: Sequence) => batch([[s]], 16, supervised(s), false).targets;
    assert.deepEqual(masked!.ids, [...bytes("abc"), END, ...bytes("def"), END]);
    assert.deepEqual([...targets(masked!)], [...bytes("c"), END, ...bytes("ef"), END]);
    const [all] = encode(chatting, [{ messages }], { context: 32, completionOnly: false });
    assert.deepEqual([...targets(all!)], all!.ids.slice(1));
    const none = () => encode(chatting, [{ messages: messages.slice(0, 1) }], { context: 32 });
    assert.throws(none, /Example 0 \("ab"\) has no token to predict/);
    assert.throws(() => encode(tokenizer, [{ messages }], { context: 32 }), /Example 0: .*no chat template/);
  });

  it("needs no tokenizer for token ids, and says so where it does", () => {
    assert.deepEqual(encode(undefined, [{ ids: [5, 6] }], { context: 32 }), [{ ids: [5, 6], from: 0 }]);
    assert.throws(() => encode(undefined, ["ab"], { context: 32 }), /Example 0 is a text[\s\S]*no tokenizer/);
  });

  it("refuses ids that are no list of tokens of the vocabulary", () => {
    for (const ids of [undefined, null, 5, "56", [1, 2.5], [1, -1], [1, "2"]]) {
      assert.throws(() => one({ ids } as never), /Example 0: ids must be a list of token ids.*got/);
    }
    assert.deepEqual(one({ ids: Int32Array.of(5, 6) as never }).ids, [5, 6]);
    const beyond = () => encode(tokenizer, [{ ids: [5, 257] }], { context: 32, vocabSize: 257 });
    assert.throws(beyond, /Example 0 \(\[5,257\]\) has the token 257; the model's vocabulary has 257/);
  });

  it("explains what is no example", () => {
    assert.throws(() => encode(tokenizer, "text" as never, { context: 32 }), /must be a list of examples/);
    assert.throws(() => encode(tokenizer, [], { context: 32 }), /training data is empty/);
    assert.throws(() => one(""), /Example 0 \(""\) has no token to predict/);
    assert.throws(() => one({ ids: [5] }), /Example 0 \(\[5\]\) has no token to predict/);
    for (const wrong of [{ prompt: "a" }, { question: "a" }, { text: 3 }, null, 3]) {
      assert.throws(() => one(wrong as never), /Example 0 is .*: expected a text, \{ text \}/);
    }
  });
});

describe("chunks", () => {
  it("teach every token but the first once, in order, and end-of-text last", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 }),
        fc.integer({ min: 1, max: 20 }),
        (text, length) => {
          const sequences = encode(tokenizer, chunks(tokenizer, text, length), { context: length });
          const predicted = sequences.flatMap(({ ids }) => ids.slice(1));
          assert.deepEqual([sequences[0]!.ids[0], ...predicted], [...bytes(text), END]);
          for (const sequence of sequences.slice(0, -1)) assert.equal(supervised(sequence), length);
          for (const [i, { ids }] of sequences.slice(1).entries())
            assert.equal(ids[0], sequences[i]!.ids.at(-1));
        },
      ),
    );
  });

  it("need a length from 1", () => {
    for (const length of [0, -1, 1.5, Number.NaN]) {
      assert.throws(() => chunks(tokenizer, "text", length), /length must be a whole number from 1/);
    }
  });
});

describe("batch", () => {
  const a: Sequence = { ids: [5, 6, 7, END], from: 1 };
  const b: Sequence = { ids: [8, 9, END], from: 0 };
  const plain = (array?: ArrayLike<number>) => array && Array.from(array);

  it("lists the supervised places one after the other where there is less room than places", () => {
    const made = batch([[a], [b]], 4, 6, false);
    assert.deepEqual(plain(made.ids), [5, 6, 7, 0, 8, 9, 0, 0]);
    assert.deepEqual(plain(made.places), [1, 2, 4, 5, 0, 0]);
    assert.deepEqual(plain(made.targets), [7, END, 9, END, 0, 0]);
    assert.deepEqual(plain(made.mask), [1, 1, 1, 1, 0, 0]);
    assert.deepEqual([made.count, made.tokens], [4, 5]);
    assert.deepEqual([made.segments, made.positions], [undefined, undefined]);
  });

  it("leaves each prediction at its place where there is room for all", () => {
    const made = batch([[a], [b]], 4, 8, false);
    assert.deepEqual(plain(made.places), [0, 1, 2, 0, 4, 5, 0, 0]);
    assert.deepEqual(plain(made.targets), [0, 7, END, 0, 9, END, 0, 0]);
    assert.deepEqual(plain(made.mask), [0, 1, 1, 0, 1, 1, 0, 0]);
    assert.equal(made.count, 4);
  });

  it("tells packed sequences apart and counts positions in each", () => {
    const made = batch([[a, b], [b]], 6, 12, true);
    assert.deepEqual(plain(made.ids), [5, 6, 7, 8, 9, 0, 8, 9, 0, 0, 0, 0]);
    assert.deepEqual(plain(made.segments), [1, 1, 1, 2, 2, 0, 1, 1, 0, 0, 0, 0]);
    assert.deepEqual(plain(made.positions), [0, 1, 2, 0, 1, 0, 0, 1, 0, 0, 0, 0]);
    assert.deepEqual(plain(made.targets), [0, 7, END, 9, END, 0, 9, END, 0, 0, 0, 0]);
    assert.deepEqual(plain(made.mask), [0, 1, 1, 1, 1, 0, 1, 1, 0, 0, 0, 0]);
    assert.deepEqual([made.count, made.tokens], [6, 7]);
  });

  it("may have empty rows, as a last batch has", () => {
    const made = batch([[b], []], 2, 3, false);
    assert.deepEqual(plain(made.ids), [8, 9, 0, 0]);
    assert.deepEqual([made.count, made.tokens], [2, 2]);
  });

  it("supervises of a masked sequence what its mask says", () => {
    const turns: Sequence = { ids: [5, 6, 7, 8, END], from: 1, mask: [true, true, false, true] };
    assert.equal(supervised(turns), 2);
    assert.deepEqual(plain(batch([[turns]], 4, 2, false).targets), [7, END]);
  });

  it("refuses a row that is longer than its length", () => {
    assert.throws(() => batch([[b], [a]], 2, 4, false), /row 1 has 3 tokens to read.*room for 2/);
    assert.throws(() => batch([[a, b]], 4, 4, true), /row 0 has 5 tokens to read.*room for 4/);
  });

  it("refuses more predictions than it has room for", () => {
    assert.throws(() => batch([[a], [b]], 4, 3, false), /more predictions than its capacity of 3/);
  });
});

/** Sequences of 1 to `longest` predictions, each recognizable by its first id. */
const sequencesOf = (longest: number, most = 40) =>
  fc
    .array(fc.integer({ min: 1, max: longest }), { minLength: 1, maxLength: most })
    .map((needs) =>
      needs.map((need, i): Sequence => ({ ids: [i, ...Array<number>(need).fill(1)], from: 0 })),
    );
const first = ({ ids }: Sequence) => ids[0]!;

describe("pack", () => {
  const LENGTH = 16;
  const used = (row: Sequence[]) => row.reduce((sum, { ids }) => sum + ids.length - 1, 0);

  it("puts every sequence into one row and overfills none", () => {
    fc.assert(
      fc.property(sequencesOf(LENGTH), (sequences) => {
        const rows = pack(sequences, LENGTH);
        assert.deepEqual(
          rows.flat().sort((a, b) => first(a) - first(b)),
          sequences,
        );
        for (const row of rows) assert.ok(row.length > 0 && used(row) <= LENGTH);
      }),
    );
  });

  it("wastes less than half of the rows", () => {
    fc.assert(
      fc.property(sequencesOf(LENGTH), (sequences) => {
        const rows = pack(sequences, LENGTH);
        // Were two rows at most half full, the second's sequences would have gone into the first.
        assert.ok(rows.filter((row) => used(row) <= LENGTH / 2).length <= 1);
      }),
    );
  });

  it("packs a hundred thousand sequences, and refuses one that no row can hold", () => {
    const ids = [0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1];
    // None leaves room for another: looking at all rows for each would be five billion looks.
    const many = Array.from({ length: 100_000 }, (): Sequence => ({ ids, from: 0 }));
    assert.equal(pack(many, LENGTH).length, many.length);
    assert.throws(() => pack([{ ids, from: 0 }], 9), /sequence of 10 predictions is longer than a row, 9/);
  });

  it("takes the first row with room", () => {
    const sequence = (need: number): Sequence => ({ ids: Array<number>(need + 1).fill(1), from: 0 });
    const rows = pack([7, 6, 3, 2, 1].map(sequence), 10);
    assert.deepEqual(
      rows.map((row) => row.map(({ ids }) => ids.length - 1)),
      [
        [7, 3],
        [6, 2, 1],
      ],
    );
  });
});

describe("Rows", () => {
  const take = (rows: Rows, count: number) => rows.next(count).flat().map(first);
  const sorted = (values: number[]) => [...values].sort((a, b) => a - b);

  it("gives every sequence once per epoch, whatever the size of a batch", () => {
    fc.assert(
      fc.property(
        sequencesOf(8, 12),
        fc.integer({ min: 1, max: 30 }),
        fc.integer(),
        (sequences, size, seed) => {
          const [n, rows] = [sequences.length, new Rows(sequences, seed)];
          const seen: number[] = [];
          while (seen.length < 3 * n) {
            seen.push(...take(rows, size));
            assert.equal(rows.epoch, Math.ceil(seen.length / n));
          }
          for (const epoch of [0, 1, 2]) {
            assert.deepEqual(sorted(seen.slice(epoch * n, (epoch + 1) * n)), [...Array(n).keys()]);
          }
        },
      ),
    );
  });

  it("packs every sequence once per epoch", () => {
    fc.assert(
      fc.property(sequencesOf(16), fc.integer(), (sequences, seed) => {
        const rows = new Rows(sequences, seed, 16);
        const seen: number[] = [];
        while (rows.epoch < 2) seen.push(...take(rows, 1));
        // The first row of the second epoch has been taken; before it stands the whole first one.
        assert.deepEqual(sorted(seen.slice(0, sequences.length)), [...Array(sequences.length).keys()]);
      }),
    );
  });

  it("depends on the seed alone, and shuffles anew in every epoch", () => {
    const sequences = Array.from({ length: 20 }, (_, i): Sequence => ({ ids: [i, 1], from: 0 }));
    const epochs = (seed: number) => {
      const rows = new Rows(sequences, seed);
      return [take(rows, 20), take(rows, 20)];
    };
    assert.deepEqual(epochs(1), epochs(1));
    assert.notDeepEqual(epochs(1), epochs(2));
    const [one, two] = epochs(1);
    assert.notDeepEqual(one, two);
  });
});

describe("shuffle", () => {
  it("gives a permutation and leaves the original alone", () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), fc.integer(), (items, seed) => {
        const before = [...items];
        const out = shuffle(items, generator(seed));
        assert.deepEqual(items, before);
        assert.deepEqual([...out].sort(), [...items].sort());
      }),
    );
  });

  it("gives all orders alike", () => {
    const random = generator(1);
    const counts = new Map<string, number>();
    for (let i = 0; i < 24_000; i++) {
      const order = shuffle(["a", "b", "c", "d"], random).join("");
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    assert.equal(counts.size, 24);
    // χ² with 23 degrees of freedom is above 49.7 once in a thousand times.
    const chiSquare = [...counts.values()].reduce((sum, n) => sum + (n - 1000) ** 2 / 1000, 0);
    assert.ok(chiSquare < 49.7, `χ² is ${chiSquare}`);
  });
});
