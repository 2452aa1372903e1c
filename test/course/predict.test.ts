import assert from "node:assert/strict";
import path from "node:path";
import { predict } from "../../src/course";
import { DISPLAY, type Displayable } from "../../src/display";
import { change, shownModel } from "../kernel/front-end";
import { outputs, result, useKernel } from "../kernel/support";

const text = (shown: Displayable) => shown[DISPLAY]()["text/plain"];

describe("a guess before a run", () => {
  const steps = () => predict("How many steps?", { unit: "steps", min: 10, max: 1000 });

  it("is not needed: the outcome is told without one", () => {
    assert.equal(text(steps().reveal(100)), "No guess was made. The run says: 100 steps.");
    const colour = predict("Which colour?", { choices: ["red", "blue"] });
    assert.equal(
      text(colour.reveal("blue", "The sky is.")),
      "No guess was made. The run says: blue.\nThe sky is.",
    );
  });

  it("of a number stands beside the outcome, each with a bar", () => {
    const guess = steps();
    guess.guess = 1000;
    const [sentence, mine, run] = text(guess.reveal(100)).split("\n");
    assert.equal(sentence, "You guessed: 1,000 steps. The run says: 100 steps. A factor of 10 between them.");
    // The scale from 10 to 1,000 is logarithmic, so 100 is half way.
    assert.match(mine!, /^your guess +█+ +1,000 steps$/);
    const length = (line: string) => line.match(/█/g)!.length;
    assert.equal(length(mine!), 2 * length(run!));
  });

  it("is close within a tenth", () => {
    const guess = predict("How many per cent?", { unit: "%", min: 0, max: 100 });
    guess.guess = 85;
    assert.match(text(guess.reveal(90)), /You guessed: 85 %\. The run says: 90 %\. Close!/);
    assert.match(text(guess.reveal(40)), /45 % between them\./);
    assert.match(text(guess.reveal(-200)), /285 % between them\./); // an outcome out of the range is shown too
  });

  it("of a choice is right, or seen otherwise by the run", () => {
    const guess = predict("Which colour?", { choices: ["red", "blue"] });
    guess.guess = "blue";
    assert.equal(text(guess.reveal("blue")), "You guessed: blue. The run says: blue. As you guessed.");
    guess.guess = "red";
    assert.match(text(guess.reveal("blue")), /The run saw it otherwise\.$/);
  });

  it("refuses questions without two answers, and outcomes that are none", () => {
    assert.throws(
      () => predict("?", { choices: ["a", "a"] }),
      /at least two different choices, got \["a","a"\]/,
    );
    assert.throws(
      () => predict("?", { unit: "s", min: 2, max: 2 }),
      /expected numbers min < max, got 2 and 2/,
    );
    const colour = predict("Which colour?", { choices: ["red", "blue"] });
    assert.throws(() => colour.reveal("green" as never), /one of the choices "red", "blue", got "green"/);
    assert.throws(() => steps().reveal(Number.NaN), /expected a number of steps, got NaN/);
  });
});

describe("a guess in a notebook", () => {
  const kernel = useKernel();
  const source = path.resolve(__dirname, "../../src/course/predict");
  const run = (code: string) => kernel.client.execute(code);

  before(async () => {
    const { reply } = await run(`const { predict } = require("${source}" as string) as any;`);
    assert.equal(reply.content.status, "ok", String(reply.content.evalue));
  });

  it("is what was chosen last in the control below the question", async () => {
    const cell = await run(`const colour = predict("Which colour?", { choices: ["red", "blue"] });`);
    const [question, control] = outputs(cell).filter(([type]) => type === "display_data");
    assert.equal(
      question![1].data["text/plain"],
      "Your guess, before you run on: Which colour? (red · blue)",
    );
    assert.equal(control![1].data["text/plain"], ""); // a front end without widgets shows nothing odd
    assert.equal(result(await run(`colour.reveal("blue")`)), "No guess was made. The run says: blue.");
    await change(kernel.client, shownModel(cell), { index: 0 });
    await change(kernel.client, shownModel(cell), { index: 1 });
    assert.match(result(await run(`colour.reveal("blue")`))!, /^You guessed: blue\. .* As you guessed\.$/);
  });

  it("of a number comes from a slider, which starts where no guess would be", async () => {
    const cell = await run(`const steps = predict("How many?", { unit: "steps", min: 10, max: 1000 });`);
    assert.match(result(await run("steps.reveal(100)"))!, /^No guess was made\./);
    await change(kernel.client, shownModel(cell), { value: 100 });
    assert.match(result(await run("steps.reveal(100)"))!, /^You guessed: 100 steps\. .* Close!/);
  });
});
