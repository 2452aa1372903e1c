import assert from "node:assert/strict";
import { answerForm, largestDigit, rewardDigit, shortAnswers } from "../../src/train";

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
