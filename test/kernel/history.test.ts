import assert from "node:assert/strict";
import { History } from "../../kernel/history";

describe("kernel: history", () => {
  const history = new History();
  for (const [i, source] of ["a = 1", "b", "a = 1", "f(x)"].entries())
    history.add(i + 1, source, `out ${i + 1}`);
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
    long.add(1, "a".repeat(5000), "");
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
