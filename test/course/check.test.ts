import assert from "node:assert/strict";
import { check } from "../../src/course";
import { DISPLAY } from "../../src/display";

describe("check", () => {
  it("is a line with a tick when the expectation holds", () => {
    const shown = check("2 < 3", 2 < 3)[DISPLAY]();
    assert.equal(shown["text/plain"], "✓ 2 < 3");
    assert.match(shown["text/html"]!, /✓ 2 &lt; 3/);
  });

  it("throws with the expectation and the hint when it does not", () => {
    assert.throws(() => check("the base is back", false, "Was detach called?"), {
      message: "Does not hold: the base is back. Was detach called?",
    });
    assert.throws(() => check("the base is back", false), { message: "Does not hold: the base is back." });
  });

  it("does not take a promise for true", () => {
    assert.throws(
      () => check("it ran", Promise.resolve(false) as never),
      /got a promise; is an await missing\?/,
    );
    assert.throws(() => check("it ran", 1 as never), /expected true or false, got number 1/);
  });
});
