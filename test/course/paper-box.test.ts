import assert from "node:assert/strict";
import { type PaperBox, paperBox } from "../../src/course";
import { DISPLAY } from "../../src/display";

const box: PaperBox = {
  claim: "LoRA trains 256 times fewer numbers",
  source: "Hu et al., 2021, section 4",
  paper: "r = 8 on 4096 × 4096: 65,536 in place of 16,777,216",
  found: "224,256 in place of 5,475,584",
  differs: "Our matrices are smaller, and r is < 1/4096 of nothing",
  holds: "partly",
};

describe("the box of a paper's finding and one's own", () => {
  it("says all of it in words, with and without styles", () => {
    const shown = paperBox(box)[DISPLAY]();
    const text = shown["text/plain"].split("\n");
    assert.equal(text[0], `Claim: ${box.claim}`);
    assert.match(text[1]!, /^The paper found +r = 8 on .* \(Hu et al., 2021, section 4\)$/);
    assert.match(text[2]!, /^You found +224,256 in place of 5,475,584$/);
    assert.match(text[3]!, /^Did it hold\? +It held here in part\.$/);
    assert.match(text[4]!, /^Why they may differ +Our matrices/);
    const readable = shown["text/html"]!.replace(/<style>.*?<\/style>/, "").replace(/<[^>]+>/g, "\n");
    for (const part of [box.claim, box.paper, box.found, "It held here in part."])
      assert.ok(readable.includes(part), part);
    assert.ok(readable.includes("r is &lt; 1/4096"));
  });

  it("knows three outcomes", () => {
    const verdict = (holds: PaperBox["holds"]) => paperBox({ ...box, holds })[DISPLAY]()["text/plain"];
    assert.match(verdict("held"), /It held here\./);
    assert.match(verdict("not reproduced"), /It was not reproduced here\./);
    assert.throws(
      () => paperBox({ ...box, holds: true as never }),
      /expected "holds" to be one of held, partly, not reproduced, got true/,
    );
  });

  it("is not shown with a part missing", () => {
    assert.throws(() => paperBox({ ...box, differs: " " }), /expected a sentence as "differs", got " "/);
    assert.throws(() => paperBox({ ...box, found: 3 as never }), /as "found", got 3/);
  });
});
