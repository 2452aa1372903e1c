import assert from "node:assert/strict";
import fc from "fast-check";
import type { Exchange } from "../../kernel/client";
import { isIdle, sendComm } from "./front-end";
import { outputs, printed, result, until, useKernel } from "./support";

describe("kernel: comms", () => {
  const kernel = useKernel();
  const info = async (query: object = {}) =>
    (await kernel.client.request("comm_info_request", query)).reply.content.comms;
  /** What code of a cell that ended printed since. */
  const later = ({ reply }: Exchange) =>
    kernel.client.published
      .filter((m) => m.header.msg_type === "stream" && m.parent.msg_id === reply.parent.msg_id)
      .map((m) => m.content.text)
      .join("");

  it("carry data, metadata and binary buffers to the front end", async () => {
    const { published } = await kernel.client.execute(`
      const c = comms.open("charts", { kind: "loss" }, { metadata: { version: "1" }, buffers: [new Float32Array([1, 0.5])] });
      c.send({ step: 2 }, { buffers: [new Uint8Array([9, 8, 7]).subarray(1), new DataView(new ArrayBuffer(1))] });`);
    const [open, message] = published.filter((m) => m.header.msg_type.startsWith("comm_"));
    const { comm_id } = open!.content as { comm_id: string };
    assert.deepEqual(open!.content, { comm_id, target_name: "charts", data: { kind: "loss" } });
    assert.deepEqual(open!.metadata, { version: "1" });
    assert.deepEqual(open!.buffers, [Buffer.from(new Float32Array([1, 0.5]).buffer)]);
    assert.deepEqual(message!.content, { comm_id, data: { step: 2 } });
    assert.deepEqual(message!.buffers, [Buffer.from([8, 7]), Buffer.from([0])]);
    assert.deepEqual(await info(), { [comm_id]: { target_name: "charts" } });
    assert.deepEqual(await info({ target_name: "charts" }), { [comm_id]: { target_name: "charts" } });
    assert.deepEqual(await info({ target_name: "others" }), {});
    await kernel.client.execute("c.close({ done: true })");
    assert.deepEqual(await info(), {});
  });

  it("are opened by the front end, which sends data and buffers, and closes them", async () => {
    const cell = await kernel.client.execute(`
      comms.register("weights", (comm, data, buffers) => {
        console.log("open", data.name, buffers.length);
        comm.onMessage(({ scale }, [bytes]) => {
          const floats = new Float32Array(bytes!.buffer);
          comm.send({ count: floats.length }, { buffers: [floats.map((x) => x * scale)] });
        });
        comm.onClose(({ reason }) => console.log("closed", reason, comm.isOpen));
      });`);
    const comm_id = "from-the-page";
    const opening = { comm_id, target_name: "weights", data: { name: "q_proj" } };
    await sendComm(kernel.client, "open", opening, [Buffer.from("a"), Buffer.from("b")]);
    assert.deepEqual(await info(), { [comm_id]: { target_name: "weights" } });
    const floats = Buffer.from(new Float32Array([1, 2, 3]).buffer);
    const [answer] = await sendComm(kernel.client, "msg", { comm_id, data: { scale: 2 } }, [floats]);
    assert.deepEqual(answer!.content, { comm_id, data: { count: 3 } });
    assert.deepEqual(answer!.buffers, [Buffer.from(new Float32Array([2, 4, 6]).buffer)]);
    await sendComm(kernel.client, "close", { comm_id, data: { reason: "the page went" } });
    assert.deepEqual(await info(), {});
    await until(() => later(cell) === "open q_proj 2\nclosed the page went false\n");
  });

  it("of an unknown target are closed at once", async () => {
    const opening = { comm_id: "odd", target_name: "nobody", data: {} };
    const [close] = await sendComm(kernel.client, "open", opening);
    assert.equal(close!.header.msg_type, "comm_close");
    assert.equal(close!.content.comm_id, "odd");
    assert.deepEqual(await info(), {});
  });

  it("that are closed refuse to send, close again without effect, and hear nothing more", async () => {
    const { published } = await kernel.client.execute(`
      const over = comms.open("t");
      over.onMessage(() => console.log("heard"));
      over.close(); over.close();
      let refusal = "";
      try { over.send({}) } catch (error) { refusal = (error as Error).message }
      refusal`);
    const sent = published.filter((m) => m.header.msg_type.startsWith("comm_"));
    assert.deepEqual(
      sent.map((m) => m.header.msg_type),
      ["comm_open", "comm_close"],
    );
    const { comm_id } = sent[0]!.content as { comm_id: string };
    for (const kind of ["msg", "close"] as const)
      assert.deepEqual(await sendComm(kernel.client, kind, { comm_id, data: {} }), []);
    assert.equal(result(await kernel.client.execute("refusal")), `'comm ${comm_id} of target "t" is closed'`);
    assert.match(kernel.client.log, new RegExp(`comm_msg for ${comm_id}, no open comm`));
  });

  it("closed by one side while the other sends lose that message alone", async () => {
    await kernel.client.execute(`
      const busy = comms.open("race"); let ticks = 0;
      const timer = setInterval(() => { if (busy.isOpen) busy.send({ tick: ++ticks }); else clearInterval(timer) }, 1);
      await new Promise((r) => setTimeout(r, 30));`);
    const [comm_id] = Object.keys((await info({ target_name: "race" })) as object);
    const heard = () => kernel.client.published.filter((m) => m.content.comm_id === comm_id).length;
    assert.ok(heard() > 0);
    const [late] = await sendComm(kernel.client, "close", { comm_id: comm_id!, data: {} });
    assert.equal(late, undefined);
    const before = heard();
    const alive = "await new Promise((r) => setTimeout(r, 30)); [busy.isOpen, ticks > 0]";
    assert.equal(result(await kernel.client.execute(alive)), "[ false, true ]");
    assert.equal(heard(), before);
  });

  it("refuse buffers that are no bytes, and data that cannot be sent", async () => {
    const odd = await kernel.client.execute("comms.open('t', {}, { buffers: [[1, 2]] as any })");
    assert.match(String(odd.reply.content.evalue), /expected typed arrays as buffers, got \[ 1, 2 \]/);
    const code = await kernel.client.execute("comms.open('t', { f() {} })");
    assert.match(String(code.reply.content.evalue), /could not be cloned/);
    assert.deepEqual(await info(), {});
  });

  it("report errors of callbacks in the cell that registered them, and go on", async () => {
    const cell = await kernel.client.execute(`
      comms.register("faulty", (comm) => {
        comm.onMessage(() => { throw new Error("first callback") });
        comm.onMessage(async () => { await null; throw new Error("second callback") });
        comm.onMessage(() => comm.send({ third: true }));
      });`);
    await sendComm(kernel.client, "open", { comm_id: "f", target_name: "faulty", data: {} });
    const [answer] = await sendComm(kernel.client, "msg", { comm_id: "f", data: {} });
    assert.deepEqual(answer!.content.data, { third: true });
    await until(() => /first callback[\s\S]*second callback/.test(later(cell)));
    assert.match(later(cell), /Uncaught .*Error.*: first callback\n\s+at cell \d+:3:/);
    await sendComm(kernel.client, "close", { comm_id: "f", data: {} });
  });

  it("end a callback's registration by what registering returned", async () => {
    await kernel.client.execute(`
      let heard = 0, end!: () => void;
      comms.register("once", (comm) => { end = comm.onMessage(() => { heard++; end() }) });`);
    await sendComm(kernel.client, "open", { comm_id: "o", target_name: "once", data: {} });
    for (let i = 0; i < 3; i++) await sendComm(kernel.client, "msg", { comm_id: "o", data: {} });
    assert.equal(result(await kernel.client.execute("heard")), "1");
  });

  it("reach code while a cell runs, which they can steer", async () => {
    await kernel.client.execute(`
      let rate = 0.1; comms.register("steer", (comm) => { comm.onMessage((data) => { rate = data.rate }) });`);
    await sendComm(kernel.client, "open", { comm_id: "s", target_name: "steer", data: {} });
    let sent = false;
    const cell = await kernel.client.execute(
      "console.log('on'); while (rate > 0) await new Promise((r) => setTimeout(r, 5)); console.log('steered')",
      {
        onOutput(message) {
          if (sent || message.header.msg_type !== "stream") return;
          sent = true;
          void sendComm(kernel.client, "msg", { comm_id: "s", data: { rate: 0 } });
        },
      },
    );
    assert.equal(printed(cell), "on\nsteered\n");
  });

  it("survive messages of any kind and content, for ids that are open, closed or were never", async () => {
    await kernel.client.execute(`
      comms.register("any", (comm) => { comm.onMessage((data) => comm.send({ data })) });
      const closed = comms.open("any"); closed.close();
      const text = new widgets.Text(), box = new widgets.VBox({ children: [text] }), choice = new widgets.Dropdown({ options: ["a"] });`);
    const ids = Object.keys((await info()) as object);
    const known = kernel.client.published
      .map((m) => m.content.comm_id)
      .filter((id) => typeof id === "string");
    const part = <T>(values: fc.Arbitrary<T>) => fc.option(values, { nil: undefined });
    const state = fc.dictionary(
      fc.constantFrom(
        "value",
        "index",
        "children",
        "_options_labels",
        "layout",
        "outputs",
        "__proto__",
        "other",
      ),
      fc.jsonValue(),
    );
    const update = fc.record({
      method: fc.constantFrom("update", "custom", "request_state"),
      state,
      content: fc.jsonValue(),
    });
    const content = fc.record({
      comm_id: part(fc.oneof(fc.constantFrom(...ids, ...known, "never"), fc.jsonValue())),
      target_name: part(
        fc.oneof(fc.constantFrom("any", "jupyter.widget", "jupyter.widget.control"), fc.jsonValue()),
      ),
      data: part(fc.oneof(update, fc.jsonValue())),
    });
    const kind = fc.constantFrom("comm_open", "comm_msg", "comm_msg", "comm_msg", "comm_close");
    await fc.assert(
      fc.asyncProperty(kind, content, fc.uint8Array(), async (kind, content, bytes) => {
        const id = await kernel.client.notify(kind, content, [Buffer.from(bytes)]);
        await until(() => isIdle(kernel.client, id));
      }),
      { numRuns: 100 },
    );
    assert.equal(
      result(await kernel.client.execute("text.value = ''; [1 + 1, closed.isOpen]")),
      "[ 2, false ]",
    );
  });

  it("are closed when the process of the cells ends", async () => {
    await kernel.client.execute("comms.open('lost'); 0");
    const [comm_id] = Object.keys((await info({ target_name: "lost" })) as object);
    await kernel.client.execute("process.exit(3)");
    const closed = kernel.client.published.filter((m) => m.header.msg_type === "comm_close");
    assert.ok(closed.some((m) => m.content.comm_id === comm_id));
    assert.deepEqual(await info(), {});
    assert.deepEqual(outputs(await kernel.client.execute("comms.open('new').isOpen")).at(-1)?.[1].data, {
      "text/plain": "true",
    });
  });
});
