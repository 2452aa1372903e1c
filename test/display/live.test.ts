import assert from "node:assert/strict";
import { lora } from "../../src/adapters";
import { DISPLAY, type Displayable } from "../../src/display";
import { followInLine, followInPlace, type Show } from "../../src/display/live";
import { liveSweepCurves } from "../../src/display/live-sweep";
import { train } from "../../src/train/trainer";
import { runOf, stepOf, tinyModel } from "./models";

const student = tinyModel().attach(lora({ rank: 2 }));

/** A clock that stands still until told otherwise. */
function clock() {
  let time = 0;
  return { now: () => time, pass: (milliseconds: number) => (time += milliseconds) };
}

describe("a run shown in place", () => {
  it("keeps one id for a run and another for the next", () => {
    const ids: string[] = [];
    const show: Show = (_, { id }) => ids.push(id);
    const time = clock();
    for (let i = 0; i < 2; i++) {
      const run = runOf(student, [1]);
      const following = followInPlace(run, show, time.now);
      time.pass(1000);
      following.step(run);
    }
    assert.equal(ids.length, 4);
    assert.equal(ids[0], ids[1]);
    assert.equal(ids[2], ids[3]);
    assert.notEqual(ids[0], ids[2]);
  });

  it("updates at most three times a second, and always at the end", async () => {
    let updates = 0;
    const time = clock();
    const run = runOf(student, [], { steps: 1000 });
    const following = followInPlace(run, () => void updates++, time.now);
    for (let i = 1; i <= 100; i++) {
      time.pass(10);
      run.steps.push(stepOf(i, 1));
      following.step(run);
    }
    assert.ok(updates >= 2 && updates <= 4, `${updates} updates in a second`);
    const before = updates;
    await following.end(run);
    assert.equal(updates, before + 1);
  });

  it("pauses nineteen times as long as a slow update took: 5 % of the time", () => {
    const times: number[] = [];
    const time = clock();
    const run = runOf(student, [1]);
    const slow: Show = () => {
      times.push(time.now());
      time.pass(100);
    };
    const following = followInPlace(run, slow, time.now);
    for (let i = 0; i < 5000; i++) {
      time.pass(1);
      following.step(run);
    }
    assert.deepEqual(times, [0, 2000, 4000]);
  });

  it("does not pile up updates that the front end has not taken", async () => {
    let taken = () => {};
    let updates = 0;
    const show: Show = () => {
      updates++;
      return new Promise<void>((resolve) => {
        taken = resolve;
      });
    };
    const time = clock();
    const run = runOf(student, [1]);
    const following = followInPlace(run, show, time.now);
    time.pass(1000);
    following.step(run);
    assert.equal(updates, 1);
    taken();
    await new Promise(setImmediate);
    following.step(run);
    assert.equal(updates, 2);
  });

  it("warns once when showing fails, and never throws", async () => {
    const warnings: unknown[][] = [];
    const { warn } = console;
    console.warn = (...words) => void warnings.push(words);
    try {
      for (const show of [
        () => {
          throw new Error("no front end");
        },
        () => Promise.reject(new Error("no front end")),
      ]) {
        const time = clock();
        const run = runOf(student, [1]);
        const following = followInPlace(run, show, time.now);
        await new Promise(setImmediate);
        time.pass(1000);
        following.step(run);
        await following.end(run);
      }
    } finally {
      console.warn = warn;
    }
    assert.equal(warnings.length, 2);
    assert.match(String(warnings[0][0]), /training goes on/);
  });

  it("sends at most 500 points per curve", () => {
    let shown: Displayable | undefined;
    const losses = Array.from({ length: 5000 }, (_, i) => Math.sin(i));
    followInPlace(runOf(student, losses), (value) => {
      shown = value;
    });
    const { data } = shown![DISPLAY]()["application/vnd.plotly.v1+json"] as { data: { x: number[] }[] };
    for (const { x } of data) assert.ok(x.length <= 500);
  });

  it("follows train() through the kernel's display function", async () => {
    const shown: { id: string; text: string }[] = [];
    const holder = globalThis as { display?: Show };
    const before = holder.display;
    holder.display = (value, { id }) => shown.push({ id, text: value[DISPLAY]()["text/plain"] });
    try {
      const data = [{ prompt: "a", completion: "b" }];
      const model = tinyModel().attach(lora({ rank: 2 }));
      const run = await train(model, { data, steps: 3, batchSize: 1 });
      assert.equal(run.status, "finished");
      const quiet = shown.length;
      await train(model, { data, steps: 1, batchSize: 1, display: false });
      assert.equal(shown.length, quiet);
    } finally {
      holder.display = before;
    }
    assert.equal(new Set(shown.map(({ id }) => id)).size, 1);
    assert.match(shown[0].text, /step 0\/3/);
    assert.match(shown.at(-1)!.text, /3 steps in/);
  });
});

describe("a run in a terminal", () => {
  it("rewrites one line, cut to the terminal's width, and ends it", () => {
    const written: string[] = [];
    const time = clock();
    const run = runOf(student, [2], { steps: 4 });
    const following = followInLine(run, { write: (text) => written.push(text), columns: 20 }, time.now);
    following.step(run);
    following.end(run);
    assert.deepEqual(written, ["\r\x1b[2Kstep 1/4 · loss 2.0", "\r\x1b[2Kstep 1/4 · loss 2.0", "\n"]);
  });
});

describe("a sweep whose trials run elsewhere", () => {
  const sized = (rank: number, losses: number[], seed = 0, steps = losses.length) =>
    runOf(tinyModel().attach(lora({ rank })), losses, { steps, seed });
  const names = (figure: ReturnType<typeof liveSweepCurves>) =>
    new Set(figure!.data.map(({ legendgroup }) => legendgroup));

  it("is nothing to see before a trial has taken a step", () => {
    const running = new Map([["a", sized(1, [], 0, 10)]]);
    assert.equal(liveSweepCurves({ total: 3, finished: [], failed: 0, running }, 10), undefined);
  });

  it("shows those at work beside the lowest that is done, and tells how far it is", () => {
    const running = new Map(
      Array.from({ length: 9 }, (_, seed) => [`${seed}`, sized(4, [3, 2], seed, 10)] as const),
    );
    const finished = [sized(1, [3, 2]), sized(2, [3, 1])];
    const few = liveSweepCurves({ total: 48, finished, failed: 1, running: new Map(), workers: 1 }, 10)!;
    assert.deepEqual(names(few), new Set(["rank 2", "rank 1"]));
    assert.match(
      few[DISPLAY]()["text/plain"],
      /^3 of 48 trials done, 1 failed, 1 worker; lowest training loss 1\.000 at rank 2\n/,
    );
    const many = liveSweepCurves({ total: 48, finished, failed: 0, running, workers: 9 }, 10)!;
    assert.equal(names(many).size, 8);
    assert.ok([...names(many)].some((name) => /^rank 2,/.test(String(name))));
    assert.match(many[DISPLAY]()["text/plain"], /^2 of 48 trials done, 9 at work, 9 workers; lowest /);
  });
});
