import assert from "node:assert/strict";
import { DISPLAY } from "../../src/display";
import { Generation } from "../../src/model/generate";

describe("a generated text", () => {
  it("shows the prompt, what the model added, and why it ended", () => {
    const shown = new Generation("2 < 3 is", " true.", [5, 6], "stop")[DISPLAY]();
    assert.equal(shown["text/plain"], "2 < 3 is ▸ true.\n(2 tokens, ended by the model)");
    assert.match(shown["text/html"]!, />2 &lt; 3 is<\/span><b> true\.<\/b>/);
    const cut = new Generation("a", "b", [1], "length")[DISPLAY]();
    assert.match(cut["text/plain"], /1 token, cut off/);
  });
});
