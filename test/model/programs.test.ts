import assert from "node:assert/strict";
import type { Program } from "../../src/engine";
import { ProgramCache } from "../../src/model/programs";

/** Programs by name, that tell which have been built and which freed. */
function workshop() {
  const events: string[] = [];
  const build = (name: string) => async () => {
    events.push(`build ${name}`);
    return { dispose: async () => void events.push(`free ${name}`) } as Program;
  };
  return { events, build };
}

const nothing = async () => {};

describe("kept programs", () => {
  it("are built once, and freed when the most recently used ones have taken their places", async () => {
    const { events, build } = workshop();
    const cache = new ProgramCache(2);
    for (const name of ["a", "b", "a", "c", "a", "b"]) await cache.use(name, build(name), nothing);
    assert.deepEqual(events, ["build a", "build b", "build c", "free b", "build b", "free c"]);
    assert.equal(cache.size, 2);
  });

  it("are never freed while they are in use, however many are", async () => {
    const { events, build } = workshop();
    const cache = new ProgramCache(1);
    const names = ["a", "b", "c"];
    await Promise.all(
      names.map((name) =>
        cache.use(name, build(name), async () => {
          await new Promise(setImmediate);
          assert.ok(!events.includes(`free ${name}`));
        }),
      ),
    );
    assert.equal(cache.size, 1);
    assert.equal(events.filter((event) => event.startsWith("free")).length, 2);
  });

  it("are freed on demand, those in use when they are done", async () => {
    const { events, build } = workshop();
    const cache = new ProgramCache(9);
    await cache.use("one idle", build("idle"), nothing);
    await cache.use("two other", build("other"), nothing);
    await cache.use("one busy", build("busy"), async () => {
      await cache.drop("one ");
      assert.deepEqual(events.slice(3), ["free idle"]);
    });
    assert.deepEqual(events.slice(3), ["free idle", "free busy"]);
    assert.equal(cache.size, 1);
  });

  it("are tried again when they could not be built", async () => {
    const { events, build } = workshop();
    const cache = new ProgramCache(1);
    const failing = cache.use("a", () => Promise.reject(new Error("no")), nothing);
    await assert.rejects(failing, /no/);
    await cache.use("a", build("a"), nothing);
    assert.deepEqual(events, ["build a"]);
  });
});
