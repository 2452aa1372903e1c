import assert from "node:assert/strict";
import { DISPLAY, type MimeBundle } from "../../src/display";
import { followBar, followLine } from "../../src/display/downloads";
import type { Download } from "../../src/model/downloads";

const download = (changes: Partial<Download> = {}): Download => ({
  model: "someone/model",
  total: 200e6,
  done: 0,
  resumed: 0,
  ...changes,
});

/** A clock that stands still until told otherwise. */
function clock() {
  let time = 0;
  return { now: () => time, pass: (milliseconds: number) => (time += milliseconds) };
}

describe("a download in a notebook", () => {
  it("is a bar that is replaced in place, with its speed and the time that is left", () => {
    const shown: [string, MimeBundle][] = [];
    const time = clock();
    const going = download();
    const following = followBar(going, (value, { id }) => shown.push([id, value[DISPLAY]()]), time.now);
    time.pass(4000);
    going.done = 50e6;
    following.step();
    time.pass(12_000);
    going.done = 200e6;
    following.end();
    assert.deepEqual(
      shown.map(([, content]) => content["text/plain"]),
      [
        "someone/model: 0 B of 200.0 MB",
        "someone/model: 50.0 MB of 200.0 MB · 12.5 MB/s · 12 s left",
        "someone/model: 200.0 MB in 16 s",
      ],
    );
    assert.match(shown[1]![1]["text/html"]!, /<progress value="50000000" max="200000000">/);
    assert.equal(new Set(shown.map(([id]) => id)).size, 1);
  });

  it("counts what was here before as done, not as fast", () => {
    const texts: string[] = [];
    const time = clock();
    const going = download();
    const following = followBar(going, (value) => texts.push(value[DISPLAY]()["text/plain"]), time.now);
    time.pass(2000);
    Object.assign(going, { done: 120e6, resumed: 100e6 });
    following.step();
    assert.equal(texts.at(-1), "someone/model: 120.0 MB of 200.0 MB · 10.0 MB/s · 8.0 s left");
  });

  it("stays at what has come when it was interrupted", () => {
    const texts: string[] = [];
    const time = clock();
    const following = followBar(
      download({ done: 50e6, resumed: 50e6 }),
      (value) => texts.push(value[DISPLAY]()["text/plain"]),
      time.now,
    );
    time.pass(1000);
    following.end();
    assert.equal(texts.at(-1), "someone/model: 50.0 MB of 200.0 MB");
  });
});

describe("a download in a terminal", () => {
  it("is one line that rewrites itself", () => {
    let text = "";
    const time = clock();
    const going = download();
    const terminal = { columns: 40, write: (piece: string) => (text += piece) };
    const following = followLine(going, terminal, time.now);
    time.pass(4000);
    going.done = 50e6;
    following.step();
    following.step(); // too early
    going.done = 200e6;
    following.end();
    const lines = text.split("\r\x1b[2K").slice(1);
    assert.equal(lines.length, 3);
    assert.ok(lines.every((line) => line.trimEnd().length < 40));
    assert.equal(lines.at(-1), "someone/model: 200.0 MB in 4.0 s\n");
  });
});
