import assert from "node:assert/strict";
import type { Exchange } from "../../kernel/client";
import { area } from "./front-end";
import { outputs, result, useKernel } from "./support";

/** How long a loop took is no matter of these tests. */
const timeless = (text: string) => text.replace(/\d+:\d\d(?=$|<)/, "TIME");

describe("kernel: progress", () => {
  const kernel = useKernel();
  /** What a cell shows in the end. */
  const texts = (cell: Exchange) =>
    area(kernel.client, cell)
      .outputs.filter(({ output_type }) => output_type !== "error")
      .map(({ data }) => timeless((data as any)["text/plain"].join("")));
  /** The bars that a cell shows in the end. */
  const bars = async (code: string) => {
    const cell = await kernel.client.execute(code);
    assert.equal(cell.reply.content.status, "ok", String(cell.reply.content.evalue));
    return texts(cell);
  };
  const failure = async (code: string) => String((await kernel.client.execute(code)).reply.content.evalue);

  it("goes through arrays, sets, maps, texts and generators", async () => {
    const seen = await kernel.client.execute(`
      const seen: unknown[] = [];
      for (const x of progress([1, 2])) seen.push(x);
      for (const x of progress(new Set(["a"]))) seen.push(x);
      for (const [k, v] of progress(new Map([["k", 3]]))) seen.push(k, v);
      for (const x of progress("xy")) seen.push(x);
      function* two() { yield 8; yield 9 }
      for (const x of progress(two())) seen.push(x);
      seen`);
    assert.equal(result(seen)?.replace(/\s+/g, " "), "[ 1, 2, 'a', 'k', 3, 'x', 'y', 8, 9 ]");
    const full = "█".repeat(24);
    assert.deepEqual(texts(seen).slice(0, -1), [
      `${full} 2/2 · TIME`,
      `${full} 1/1 · TIME`,
      `${full} 1/1 · TIME`,
      `${full} 2/2 · TIME`,
      `${full} 2/2 · TIME`,
    ]);
  });

  it("goes through what is asynchronous", async () => {
    const code = `
      async function* slowly() { for (let i = 0; i < 3; i++) { await new Promise((r) => setTimeout(r, 5)); yield i } }
      let sum = 0;
      for await (const x of progress(slowly(), { label: "steps", total: 3 })) sum += x;
      display(sum)`;
    const [bar, sum] = await bars(code);
    assert.equal(bar, `steps: ${"█".repeat(24)} 3/3 · TIME`);
    assert.equal(sum, "3");
  });

  it("is drawn before the first item, while the loop runs, and at its end", async () => {
    const exchange = await kernel.client.execute(
      "for (const _ of progress([1, 2, 3, 4])) for (const end = Date.now() + 60; Date.now() < end; );",
    );
    const shown = outputs(exchange).map(([type, { data, transient }]) => [
      type,
      data["text/plain"],
      transient.display_id,
    ]);
    const [first, ...updates] = shown;
    assert.deepEqual(first?.slice(0, 2), ["display_data", `${"░".repeat(24)} 0/4`]);
    assert.ok(updates.length >= 2 && updates.length <= 5);
    assert.ok(updates.every(([type, , id]) => type === "update_display_data" && id === first?.[2]));
    assert.match(updates[0]![1], /^(█{6})+(░{6})+ [1-3]\/4 · [\d.]+\/s · \d:\d\d left$/);
    assert.match(updates.at(-1)![1], /^█{24} 4\/4 · \d:\d\d$/);
  });

  it("says where a loop stopped that was left early or failed", async () => {
    const half = "█".repeat(6) + "░".repeat(18);
    assert.deepEqual(await bars("for (const x of progress([1, 2, 3, 4])) if (x === 2) break"), [
      `${half} stopped at 1/4 · TIME`,
    ]);
    const cell = await kernel.client.execute(
      "for (const x of progress([1, 2, 3, 4])) if (x === 2) throw new Error('no')",
    );
    assert.deepEqual(texts(cell), [`${half} stopped at 1/4 · TIME`]);
    assert.equal(cell.reply.content.evalue, "no");
  });

  it("nests, each with a bar of its own", async () => {
    const full = "█".repeat(24);
    assert.deepEqual(
      await bars(
        "for (const e of progress([1, 2], { label: 'epochs' })) for (const s of progress('abc', { label: 'epoch ' + e })) e + s",
      ),
      [`epochs: ${full} 2/2 · TIME`, `epoch 1: ${full} 3/3 · TIME`, `epoch 2: ${full} 3/3 · TIME`],
    );
  });

  it("goes through nothing, through more and through fewer items than were said", async () => {
    const full = "█".repeat(24);
    assert.deepEqual(await bars("for (const _ of progress([]));"), [`${full} 0/0 · TIME`]);
    assert.deepEqual(await bars("for (const _ of progress([1, 2, 3].values(), { total: 2 }));"), [
      `${full} 3/3 · TIME`,
    ]);
    assert.deepEqual(await bars("for (const _ of progress([1].values(), { total: 2 }));"), [
      `${full} 1/1 · TIME`,
    ]);
  });

  it("is HTML with the label as text", async () => {
    const exchange = await kernel.client.execute("for (const _ of progress([1], { label: '<i>&' }));");
    const [, { data }] = outputs(exchange).at(-1)!;
    assert.equal(
      timeless(data["text/html"]),
      '<div>&lt;i&gt;&amp;: <progress max="1" value="1"></progress> <span>1/1 · TIME</span></div>',
    );
  });

  it("keeps the type of the items", async () => {
    assert.match(
      await failure("for (const x of progress([1])) x.length"),
      /Property 'length' does not exist on type 'number'/,
    );
    assert.match(
      await failure("async function* g() { yield 'a' } for await (const x of progress(g())) x.toFixed()"),
      /Property 'toFixed' does not exist on type 'string'/,
    );
  });

  it("refuses what cannot be iterated, and totals that are no counts", async () => {
    for (const [items, shown] of [
      ["5", "5"],
      ["null", "null"],
      ["undefined", "undefined"],
      ["{ a: 1 }", "{ a: 1 }"],
    ])
      assert.equal(
        await failure(`progress(${items} as any)`),
        `progress: expected something that can be iterated, such as an array, got ${shown}`,
      );
    for (const total of ["-1", "1.5", "NaN", "'3' as any"])
      assert.match(
        await failure(`progress([1], { total: ${total} })`),
        /total should be an integer of at least 0/,
      );
  });
});
