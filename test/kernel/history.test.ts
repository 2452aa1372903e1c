import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { KernelClient } from "../../kernel/client";
import { History } from "../../kernel/history";
import { temporaryFolder } from "./support";

describe("kernel: history", () => {
  const history = new History();
  for (const [i, source] of ["a = 1", "b", "a = 1", "f(x)"].entries())
    history.add(i + 1, source, `out ${i + 1}`, true);
  const common = { output: false, raw: true };
  const lines = (query: any) => history.query({ ...common, ...query }).map(([, line]) => line);

  it("gives the last n", () => {
    assert.deepEqual(lines({ hist_access_type: "tail", n: 2 }), [3, 4]);
    assert.deepEqual(lines({ hist_access_type: "tail", n: 0 }), []);
    assert.deepEqual(lines({ hist_access_type: "tail", n: 99 }), [1, 2, 3, 4]);
  });

  it("gives a range of this session, whose number may be given as 0", () => {
    assert.deepEqual(lines({ hist_access_type: "range", session: 0, start: 2, stop: 4 }), [2, 3]);
    assert.deepEqual(lines({ hist_access_type: "range", session: 1, start: 4, stop: 9 }), [4]);
    assert.deepEqual(lines({ hist_access_type: "range", session: 7, start: 1, stop: 9 }), []);
  });

  it("searches by glob, whole cells, characters of regular expressions meant as they are", () => {
    assert.deepEqual(lines({ hist_access_type: "search", pattern: "a*" }), [1, 3]);
    assert.deepEqual(lines({ hist_access_type: "search", pattern: "a*", unique: true }), [3]);
    assert.deepEqual(lines({ hist_access_type: "search", pattern: "f(?)" }), [4]);
    assert.deepEqual(lines({ hist_access_type: "search", pattern: "*", n: 1 }), [4]);
  });

  it("searches a long cell for a pattern of many stars in no time to speak of", () => {
    const long = new History();
    long.add(1, "a".repeat(5000), "", true);
    const query = { hist_access_type: "search", output: false, raw: true } as const;
    assert.equal(long.query({ ...query, n: 1, pattern: `${"*a".repeat(40)}*b` } as any).length, 0);
    assert.equal(long.query({ ...query, n: 1, pattern: `${"*a".repeat(40)}*` } as any).length, 1);
  });

  it("adds outputs when asked", () => {
    assert.deepEqual(history.query({ hist_access_type: "tail", n: 1, raw: true, output: true }), [
      [1, 4, ["f(x)", "out 4"]],
    ]);
  });

  it("refuses another kind of access", () => {
    assert.throws(() => history.query({ hist_access_type: "all" } as any), /"tail", "range" or "search"/);
  });
});

describe("kernel: history of earlier sessions", () => {
  let folder: string;
  let file: string;
  beforeEach(() => {
    folder = temporaryFolder();
    file = path.join(folder, "kept", "history.jsonl");
  });
  afterEach(() => fs.rmSync(folder, { recursive: true }));
  const tail = (history: History) =>
    history.query({ hist_access_type: "tail", n: 99, output: false, raw: true } as any);

  it("comes before that of this one, with outputs that are empty", () => {
    const first = new History(file);
    first.add(1, "a = 1", "1", true);
    const second = new History(file);
    second.add(1, "b", "2", true);
    second.add(2, "headless", "3", false);
    const third = new History(file);
    third.add(1, "c", "4", true);
    assert.deepEqual(tail(third), [
      [1, 1, "a = 1"],
      [2, 1, "b"],
      [3, 1, "c"],
    ]);
    const output = third.query({ hist_access_type: "tail", n: 2, output: true, raw: true } as any);
    assert.deepEqual(output, [
      [2, 1, ["b", ""]],
      [3, 1, ["c", "4"]],
    ]);
  });

  it("is asked for by number, or counted back from this one", () => {
    for (const source of ["one", "two", "three"]) new History(file).add(1, source, "", true);
    const now = new History(file);
    now.add(1, "now", "", true);
    const range = (session: number) =>
      now.query({ hist_access_type: "range", session, start: 1, stop: 2, output: false, raw: true });
    assert.deepEqual(
      [1, 3, 4, 0, -1, -3, -4, 9].map((session) => range(session)[0]?.[2]),
      ["one", "three", "now", "now", "three", "one", undefined, undefined],
    );
  });

  it("of sessions that ran at the same time is told apart", () => {
    const [one, other] = [new History(file), new History(file)];
    one.add(1, "a", "", true);
    other.add(1, "x", "", true);
    one.add(2, "b", "", true);
    assert.deepEqual(tail(new History(file)), [
      [1, 1, "a"],
      [2, 1, "x"],
      [1, 2, "b"],
    ]);
    const later = new History(file);
    later.add(1, "later", "", true);
    assert.deepEqual(tail(later).at(-1), [3, 1, "later"]);
  });

  it("is this user's alone, and leaves out what is too long to be code", () => {
    const first = new History(file);
    first.add(1, "x".repeat(200_000), "", true);
    first.add(2, "short", "", true);
    assert.deepEqual(tail(new History(file)), [[1, 2, "short"]]);
    if (process.platform !== "win32") assert.equal(fs.statSync(file).mode & 0o777, 0o600);
  });

  it("is cut to its newer half when it has grown large", () => {
    const first = new History(file);
    for (let i = 0; i < 60; i++) first.add(i, `${i}: ${"x".repeat(90_000)}`, "", true);
    const size = fs.statSync(file).size;
    const lines = tail(new History(file)).map(([, line]) => line);
    assert.equal(lines.at(-1), 59);
    assert.ok(lines.length < 60 && lines.length > 15);
    assert.ok(fs.statSync(file).size < size / 2);
    assert.deepEqual(fs.readdirSync(path.dirname(file)), ["history.jsonl"]);
    assert.equal(tail(new History(file)).length, lines.length);
  });

  it("with damaged lines gives the others", () => {
    new History(file).add(1, "good", "", true);
    fs.appendFileSync(file, 'nonsense\n[1]\n{"a": 1}\n["id", 2, "cut sh');
    assert.deepEqual(tail(new History(file)), [[1, 1, "good"]]);
  });

  it("that cannot be written is said once, and this session's is still there", () => {
    fs.writeFileSync(path.join(folder, "kept"), "a file in the place of the folder");
    const { error } = console;
    const said: unknown[] = [];
    console.error = (text) => said.push(text);
    try {
      const history = new History(file);
      history.add(1, "a", "", true);
      history.add(2, "b", "", true);
      assert.equal(tail(history).length, 2);
    } finally {
      console.error = error;
    }
    assert.equal(said.length, 1);
    assert.match(String(said[0]), /no history is kept: .*kept/);
  });

  it("holds what a user ran, not what ran headless or is not for the history", async () => {
    const env = { JUPYTER_DATA_DIR: folder };
    const onInput = () => "";
    const first = await KernelClient.start({ env });
    await first.execute("'typed'", { onInput });
    await first.execute("'not stored'", { onInput, store_history: false });
    await first.execute("'silent'", { onInput, silent: true });
    await first.execute("'headless'");
    await first.shutdown();
    const second = await KernelClient.start({ env });
    await second.execute("'now'", { onInput });
    const { reply } = await second.request("history_request", {
      hist_access_type: "tail",
      n: 9,
      output: false,
      raw: true,
    });
    assert.deepEqual(reply.content.history, [
      [1, 1, "'typed'"],
      [2, 1, "'now'"],
    ]);
    await second.shutdown();
  });
});
