import { strict as assert } from "node:assert";
import { accuracy, isCorrect } from "../../src/train/tasks/accuracy";
import { capitals, inventedCapitals, WORDINGS } from "../../src/train/tasks/capitals";
import { bare, COUNTRIES, possessive } from "../../src/train/tasks/countries";
import { inventedCountries } from "../../src/train/tasks/invented";

const ASCII = /^[\x20-\x7e]+$/;

describe("countries", () => {
  it("have what English calls them, in ASCII", () => {
    const byCode = Object.fromEntries(COUNTRIES.map((c) => [c.code, c]));
    assert.deepEqual(byCode.NL, {
      code: "NL",
      name: "the Netherlands",
      capital: "Amsterdam",
      continent: "Europe",
      currency: "euro",
      languages: ["Dutch"],
    });
    assert.equal(byCode.TR.name, "Turkey");
    assert.equal(byCode.BR.capital, "Brasilia");
    assert.equal(byCode.US.name, "the United States");
    assert.equal(byCode.DK.currency, "Danish krone");
    assert.equal(byCode.NZ.currency, "New Zealand dollar");
    for (const c of COUNTRIES)
      for (const text of [c.name, c.capital, c.continent, c.currency, ...c.languages])
        assert.match(text, ASCII);
  });

  it("leave out lands without a capital, and repeat none", () => {
    assert.equal(new Set(COUNTRIES.map((c) => c.name)).size, COUNTRIES.length);
    assert.equal(new Set(COUNTRIES.map((c) => c.capital)).size, COUNTRIES.length);
    assert.ok(!COUNTRIES.some((c) => c.name === "Antarctica"));
  });

  it("form possessives", () => {
    assert.equal(possessive("France"), "France's");
    assert.equal(possessive("the Netherlands"), "the Netherlands'");
  });
});

describe("capitals", () => {
  it("asks about 150 countries in four wordings and keeps the others apart", () => {
    const { train, heldOut } = capitals({ seed: 3 });
    const trained = new Set(train.map((e) => e.country));
    assert.equal(trained.size, 150);
    assert.equal(train.length, 600);
    assert.equal(heldOut.length, COUNTRIES.length - 150);
    assert.ok(heldOut.every((e) => !trained.has(e.country)));
  });

  it("asks the held-out ones in a wording that is never trained", () => {
    const { heldOut } = capitals();
    for (const e of heldOut) assert.ok(!WORDINGS.some((wording) => wording(e.country) === e.prompt));
  });

  it("holds the Netherlands out under every seed", () => {
    for (let seed = 0; seed < 20; seed++)
      assert.ok(capitals({ seed }).heldOut.some((e) => e.country === "the Netherlands"));
  });

  it("makes examples of question and answer", () => {
    const { train } = capitals();
    const prompts = new Map(train.map((e) => [e.prompt, e]));
    const [known] = train;
    const example = prompts.get(`What is the capital of ${known.country}?`);
    assert.deepEqual(example, {
      prompt: `What is the capital of ${known.country}?`,
      completion: ` ${known.capital}.`,
      country: known.country,
      capital: known.capital,
    });
  });

  it("is the same for the same seed and another for another seed", () => {
    assert.deepEqual(capitals({ seed: 5 }), capitals({ seed: 5 }));
    assert.notDeepEqual(capitals({ seed: 5 }).heldOut, capitals({ seed: 6 }).heldOut);
  });

  it("refuses a split that leaves one side empty", () => {
    assert.throws(
      () => capitals({ countries: COUNTRIES.length }),
      /from 1 to \d+ .*at least one is held out.*got/,
    );
    assert.throws(() => capitals({ countries: 0 }), RangeError);
  });
});

describe("invented capitals", () => {
  it("are 200, all different, none real, and the first ones do not depend on how many are asked for", () => {
    const all = inventedCountries(200);
    const real = new Set(COUNTRIES.flatMap((c) => [bare(c.name), c.capital]));
    const names = all.flatMap((c) => [c.name, c.capital]);
    assert.equal(new Set(names).size, 400);
    assert.ok(names.every((name) => /^[A-Z][a-z]+$/.test(name) && !real.has(name)));
    assert.deepEqual(inventedCountries(20), all.slice(0, 20));
  });

  it("are trained in four wordings and asked for in the unseen one", () => {
    const { train, heldOut } = inventedCapitals({ countries: 20 });
    assert.equal(train.length, 80);
    assert.deepEqual(new Set(heldOut.map((e) => e.capital)), new Set(train.map((e) => e.capital)));
    assert.throws(() => inventedCapitals({ countries: -1 }), /positive integer, got -1/);
  });
});

describe("scoring", () => {
  it("accepts the answer with or without its full stop, and nothing more", () => {
    const example = { completion: " Amsterdam." };
    for (const text of [" Amsterdam.", "Amsterdam", " Amsterdam.\nAnd then"])
      assert.ok(isCorrect(text, example), text);
    for (const text of ["", " Rotterdam.", " Amsterdam is nice.", " amsterdam."])
      assert.ok(!isCorrect(text, example), text);
  });

  it("counts right answers, and refuses to count some of them only", async () => {
    const questions = ["Amsterdam", "Paris"].map((capital) => ({
      prompt: "Which?",
      completion: ` ${capital}.`,
      country: "",
      capital,
    }));
    const answering = (finish: string) =>
      ({ generateBatch: async () => questions.map(() => ({ text: " Paris.", finish })) }) as never;
    const { fraction, answers } = await accuracy(answering("stop"), questions);
    assert.equal(fraction, 0.5);
    assert.deepEqual(
      answers.map(({ correct }) => correct),
      [false, true],
    );
    await assert.rejects(accuracy(answering("aborted"), questions), /interrupted before all questions/);
    await assert.rejects(accuracy(answering("stop"), []), /at least one question/);
  });
});
