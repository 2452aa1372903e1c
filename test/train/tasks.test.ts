import assert from "node:assert/strict";
import {
  addition,
  answerForm,
  isCorrect,
  largestDigit,
  modalities,
  rewardDigit,
  shortAnswers,
} from "../../src/train";
import { codeDomain } from "../../src/train/tasks/code";
import { sentiment } from "../../src/train/tasks/sentiment";

describe("short answers", () => {
  it("pair every question's bare answer with its whole sentence, of other countries where held out", () => {
    const { train, heldOut } = shortAnswers({ seed: 2, countries: 100 });
    assert.equal(train.length, 400);
    const trained = new Set(train.map(({ country }) => country));
    assert.ok(heldOut.length > 80 && heldOut.every(({ country }) => !trained.has(country)));
    const dutch = heldOut.find(({ country }) => country === "the Netherlands")!;
    assert.equal(dutch.chosen, " Amsterdam.");
    assert.equal(dutch.rejected, " The capital of the Netherlands is Amsterdam.");
  });

  it("begin with as many short as long answers, to the same questions", () => {
    const { examples, train } = shortAnswers({ seed: 2 });
    const pairs = new Map(train.map((pair) => [pair.prompt, pair]));
    const forms = examples.map(({ prompt, completion }) => answerForm(completion, pairs.get(prompt)!));
    assert.equal(forms.filter((form) => form === "short").length, train.length / 2);
    assert.equal(forms.filter((form) => form === "long").length, train.length / 2);
  });

  it("tell the forms of an answer apart, and right from wrong", () => {
    const [pair] = shortAnswers().heldOut.filter(({ country }) => country === "the Netherlands");
    const form = (text: string) => answerForm(text, pair!);
    assert.equal(form(" Amsterdam."), "short");
    assert.equal(form(" The capital of the Netherlands is Amsterdam.\nAnd"), "long");
    for (const wrong of ["", " Rotterdam.", " Amsterdam", " The capital of the Netherlands is Paris."])
      assert.equal(form(wrong), "wrong");
  });

  it("are the same for the same seed and others for another", () => {
    assert.deepEqual(shortAnswers({ seed: 5 }), shortAnswers({ seed: 5 }));
    assert.notDeepEqual(shortAnswers({ seed: 5 }).examples, shortAnswers({ seed: 6 }).examples);
  });
});

describe("the largest digit", () => {
  it("asks every order of 100 sets of three digits, and holds 20 sets out", () => {
    const { train, heldOut, examples } = largestDigit({ seed: 1 });
    assert.deepEqual([train.length, heldOut.length, examples.length], [600, 20, 600]);
    const setOf = ({ digits }: { digits: number[] }) => [...digits].sort().join();
    const trained = new Set(train.map(setOf));
    assert.equal(trained.size, 100);
    assert.ok(heldOut.every((question) => !trained.has(setOf(question))));
    for (const { prompt, answer, digits } of [...train, ...heldOut]) {
      assert.equal(answer, Math.max(...digits));
      assert.ok(digits.every((digit) => prompt.includes(String(digit))));
    }
  });

  it("begins with answers of which a third are right", () => {
    const { examples, train } = largestDigit();
    const right = examples.filter(({ completion }, i) => rewardDigit("", completion, train[i]!) === 1).length;
    // Binomial with n = 600 and p = ⅓: five standard deviations are 58.
    assert.ok(Math.abs(right - 200) < 58, `${right}`);
  });

  it("rewards the right digit and nothing else", () => {
    const [question] = largestDigit().train;
    const { answer } = question!;
    const reward = (text: string) => rewardDigit("", text, question!);
    for (const right of [` ${answer}.`, `${answer}`]) assert.equal(reward(right), 1);
    for (const wrong of ["", ` ${answer - 1}.`, ` ${answer}${answer}`, ` ${answer}. ${answer}`])
      assert.equal(reward(wrong), 0);
  });
});

describe("the code domain", () => {
  it("splits some hundred kilobytes of JavaScript by file", () => {
    const { train, heldOut } = codeDomain({ seed: 1 });
    const bytes = (files: { text: string }[]) => files.reduce((sum, { text }) => sum + text.length, 0);
    assert.ok(bytes(train) > 500_000 && bytes(train) < 1_000_000, `${bytes(train)}`);
    assert.equal(heldOut.length, Math.round(0.1 * (train.length + heldOut.length)));
    const names = [...train, ...heldOut].map(({ name }) => name);
    assert.equal(new Set(names).size, names.length);
    for (const name of ["lodash/chunk.js", "ramda/ap.js"]) assert.ok(names.includes(name), name);
    assert.ok(!names.includes("lodash/lodash.js")); // the bundle of all the others
  });

  it("has no text on both sides", () => {
    const { train, heldOut } = codeDomain();
    const trained = new Set(train.map(({ text }) => text));
    assert.ok(heldOut.every(({ text }) => !trained.has(text)));
  });

  it("holds out as many files as asked, and refuses a side that is empty", () => {
    assert.ok(codeDomain({ heldOut: 0.5 }).heldOut.length > codeDomain({ heldOut: 0.1 }).heldOut.length);
    for (const heldOut of [0, 1, -1, Number.NaN])
      assert.throws(() => codeDomain({ heldOut }), /"heldOut" must be a fraction of the \d+ files.*got/);
    assert.notDeepEqual(codeDomain({ seed: 1 }).heldOut, codeDomain({ seed: 2 }).heldOut);
  });
});

describe("sentiment", () => {
  it("has 2,400 sentences to learn from, and others that are not among them", () => {
    const { train, heldOut } = sentiment({ seed: 1 });
    assert.equal(train.length, 2400);
    assert.ok(heldOut.length > 550 && heldOut.length <= 600, `${heldOut.length}`);
    const trained = new Set(train.map(({ sentence }) => sentence));
    assert.ok(heldOut.every(({ sentence }) => sentence !== "" && !trained.has(sentence)));
    // Half of 3,000 are positive: five standard deviations of a sample of 2,400 without replacement are 55.
    const positive = train.filter(({ isPositive }) => isPositive).length;
    assert.ok(Math.abs(positive - 1200) < 55, `${positive}`);
    for (const { prompt, completion, isPositive } of train) {
      assert.match(prompt, /^Review: .+\nThis is$/);
      assert.equal(isCorrect(isPositive ? "good" : "bad", { completion }), true);
    }
  });

  it("has AFINN's accuracy beside it", () => {
    // The package's README: 0.726 on Amazon, 0.765 on IMDb and 0.696 on Yelp, of 1,000 sentences each.
    const mean = (0.726 + 0.765 + 0.696) / 3;
    const { baseline, heldOut } = sentiment({ sentences: 1 });
    assert.ok(heldOut.length > 2950);
    assert.ok(Math.abs(baseline - mean) < 0.01, `${baseline}`);
  });

  it("refuses a split that leaves one side empty", () => {
    assert.throws(() => sentiment({ sentences: 3000 }), /from 1 to \d+ .*at least one is held out.*got 3000/);
    assert.throws(() => sentiment({ sentences: 0 }), RangeError);
  });
});

describe("addition", () => {
  it("asks every sum of two numbers of two digits once, and holds pairs out in both orders", () => {
    const { train, heldOut } = addition({ seed: 1, heldOut: 300 });
    assert.equal(heldOut.length, 300);
    const pair = ({ a, b }: { a: number; b: number }) => [Math.min(a, b), Math.max(a, b)].join();
    const trained = new Set(train.map(pair));
    assert.equal(trained.size, (90 * 91) / 2 - 300);
    assert.ok(heldOut.every((sum) => !trained.has(pair(sum))));
    assert.equal(new Set(train.map(({ prompt }) => prompt)).size, train.length);
    for (const sum of [...train, ...heldOut]) {
      assert.deepEqual(sum.prompt.match(/\d+/g)!.map(Number), [sum.a, sum.b]);
      assert.ok(isCorrect(` ${sum.a + sum.b}.`, sum));
    }
    assert.throws(() => addition({ heldOut: 0 }), /"heldOut" must be an integer from 1 to 4094 .*got 0/);
  });
});

describe("two modalities", () => {
  it("ask for the letters after and the digits before, rows held out apart from those trained", () => {
    const { letters, digits } = modalities({ seed: 1, rows: 500 });
    for (const { train, heldOut } of [letters, digits]) {
      assert.deepEqual([train.length, heldOut.length], [500, 200]);
      assert.equal(new Set([...train, ...heldOut].map(({ prompt }) => prompt)).size, 700);
    }
    const codes = (text: string) => [...text.matchAll(/[a-z0-9]/g)].map(([symbol]) => symbol.charCodeAt(0));
    for (const { prompt, completion } of letters.train)
      for (const [i, code] of codes(prompt).entries())
        assert.equal(codes(completion)[i], 97 + ((code - 97 + 1) % 26));
    for (const { prompt, completion } of digits.train)
      for (const [i, code] of codes(prompt).entries())
        assert.equal(codes(completion)[i], 48 + ((code - 48 + 9) % 10));
    assert.throws(() => modalities({ rows: 0 }), /"rows" must be an integer from 1 to 4000, got 0/);
  });
});
