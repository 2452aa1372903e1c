/** The child process: runs cells as the parent sends them, one after the other. */
import { installGlobals } from "./globals";
import { killGroup } from "./group";
import type { FromChild, ToChild } from "./ipc";
import { Run, Runner } from "./run";
import { SideThread } from "./side-thread";

const thread = new SideThread();
const send = (message: FromChild) => thread.send(message);
const runner = new Runner(thread);
const { answer, receive } = installGlobals(runner, send);

process.on("disconnect", () => killGroup(process.pid));
process.on("message", async (message: ToChild) => {
  if (message.type === "interrupt") runner.interrupt(message.run);
  else if (message.type === "input") answer(message.value);
  else if (message.type === "comm") receive(message.request, message.comm);
  else {
    const { run, cell, allowStdin, program } = message;
    const outcome = await runner.execute(new Run(run, cell, allowStdin), program);
    send({ type: "done", run, outcome });
  }
});
send({ type: "ready" });
