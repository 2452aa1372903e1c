import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { KernelClient } from "../../kernel/client";
import { memoryLimit, memoryOf, size } from "../../kernel/memory";
import { printed, result, until } from "./support";

const MIB = 1024 ** 2;

describe("kernel: a limit of memory", () => {
  let client: KernelClient;
  before(async function () {
    if (process.platform === "win32") this.skip();
    client = await KernelClient.start({ env: { LORALAB_MEMORY_LIMIT: "300M" } });
  });
  after(() => client?.shutdown());

  /** The error of a cell, after which the kernel goes on. */
  async function errorOf(code: string): Promise<{ ename: string; evalue: string }> {
    const { reply } = await client.execute(code);
    assert.equal(result(await client.execute("6 * 7")), "42");
    return reply.content as { ename: string; evalue: string };
  }

  it("ends the cells' process, and says what was taken, what may be, and what to do", async () => {
    const { ename, evalue } = await errorOf(`
      const arrays: Buffer[] = [];
      for (;;) {
        arrays.push(Buffer.alloc(${10 * MIB}, 1));
        await new Promise((resolve) => setTimeout(resolve, 20));
      }`);
    assert.equal(ename, "MemoryLimit");
    const [, took, rest] =
      /^The cells took (\d+) MiB of memory, and may take 300 MiB (.*)$/.exec(evalue) ?? [];
    assert.ok(Number(took) >= 300, evalue);
    assert.match(
      rest!,
      /All variables are lost; run the cells again from the top\. To need less, .*smaller batches/,
    );
  });

  it("counts what a cell started", async () => {
    const hungry = `const all = []; setInterval(() => all.push(Buffer.alloc(${10 * MIB}, 1)), 20)`;
    const { ename } = await errorOf(`
      import { spawn } from "node:child_process";
      spawn(process.execPath, ["-e", ${JSON.stringify(hungry)}]);
      await new Promise(() => {});`);
    assert.equal(ename, "MemoryLimit");
  });

  it("says the same when JavaScript's own heap is full first", async () => {
    const { ename, evalue } = await errorOf(
      "const lists: object[] = []; for (;;) lists.push(Array.from({ length: 1000 }, (_, i) => ({ i })))",
    );
    assert.equal(ename, "MemoryLimit");
    assert.match(evalue, /300 MiB/);
  });

  it("holds while no cell runs", async () => {
    const cell = await client.execute(`
      const later: Buffer[] = [];
      setInterval(() => { later.push(Buffer.alloc(${10 * MIB}, 1)); }, 20);`);
    assert.equal(cell.reply.content.status, "ok");
    await until(() =>
      client.published.some(
        ({ content, parent }) =>
          parent.msg_id === cell.reply.parent.msg_id && /may take 300 MiB/.test(String(content.text)),
      ),
    );
    assert.equal(result(await client.execute("1 + 1")), "2");
  });

  it("leaves alone what is freed in time", async () => {
    const exchange = await client.execute(`
      for (let i = 0; i < 60; i++) {
        Buffer.alloc(${20 * MIB}, 1);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      console.log("done");`);
    assert.equal(printed(exchange), "done\n");
  });
});

describe("kernel: memory", () => {
  it("is told by a size, and a wrong one is refused with what is expected", async () => {
    assert.deepEqual(
      ["2G", "1.5 GiB", "768M", "805306368", "1TB", ""].map((text) => memoryLimit(text)),
      [2 * 1024 ** 3, 1.5 * 1024 ** 3, 768 * MIB, 768 * MIB, 1024 ** 4, undefined],
    );
    for (const text of ["two", "2X", "-1G", "64M", "G"])
      assert.throws(
        () => memoryLimit(text),
        /LORALAB_MEMORY_LIMIT should be a size such as 2G or 768M/,
        text,
      );
    assert.deepEqual([size(300 * MIB), size(1.5 * 1024 ** 3)], ["300 MiB", "1.5 GiB"]);
    const client = KernelClient.start({ env: { LORALAB_MEMORY_LIMIT: "lots" } });
    await assert.rejects(client, /LORALAB_MEMORY_LIMIT should be a size .*, got "lots"/);
  });

  it("counts what a process holds, and not what others share with it", async function () {
    if (process.platform !== "linux") this.skip();
    const before = await memoryOf(process.pid);
    const held = Buffer.alloc(100 * MIB, 1);
    await delay(10);
    const grown = (await memoryOf(process.pid)) - before;
    assert.ok(Math.abs(grown - held.length) < 30 * MIB, `${grown}`);
    assert.ok(before < process.memoryUsage().rss);
  });
});
