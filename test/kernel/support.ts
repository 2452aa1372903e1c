/** A kernel for a test file, and readable views of what it answers. */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { type Exchange, type ExecuteOptions, KernelClient } from "../../kernel/client";
import type { Message } from "../../kernel/protocol/messages";

/** Starts one kernel before the tests of the calling suite and ends it after them. */
export function useKernel(): { readonly client: KernelClient; readonly folder: string } {
  const used = {} as { client: KernelClient; folder: string };
  before(async () => {
    used.folder = temporaryFolder();
    // Not the history of whoever runs the tests.
    const env = { JUPYTER_DATA_DIR: path.join(used.folder, "jupyter") };
    used.client = await KernelClient.start({ cwd: used.folder, env });
  });
  after(async () => {
    await used.client.shutdown();
    fs.rmSync(used.folder, { recursive: true });
  });
  return used;
}

export function temporaryFolder(): string {
  return fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "loralab-kernel-")));
}

/** Broadcasts of a request without its statuses and the echo of its code, as `[type, content]`. */
export function outputs({ published }: Exchange): [string, any][] {
  return published
    .filter((message) => !["status", "execute_input"].includes(message.header.msg_type))
    .map((message) => [message.header.msg_type, message.content]);
}

/** The plain text of a cell's result. */
export function result(exchange: Exchange): string | undefined {
  const found = outputs(exchange).find(([type]) => type === "execute_result");
  return found?.[1].data["text/plain"];
}

/** All text that a cell printed on a stream. */
export function printed(exchange: Exchange, name: "stdout" | "stderr" = "stdout"): string {
  return outputs(exchange)
    .filter(([type, content]) => type === "stream" && content.name === name)
    .map(([, content]) => content.text)
    .join("");
}

export function types(messages: Message[]): string[] {
  return messages.map((message) => message.header.msg_type);
}

/** Runs a cell that prints "on"; once it has, interrupts it. */
export async function interruptOnceOn(
  client: KernelClient,
  code: string,
  options: ExecuteOptions = {},
): Promise<Exchange> {
  let asked = false;
  return client.execute(code, {
    ...options,
    onOutput(message) {
      if (asked || message.header.msg_type !== "stream" || !String(message.content.text).includes("on"))
        return;
      asked = true;
      void client.interrupt();
    },
  });
}

/** Waits until a condition holds; the test's own time limit ends it otherwise. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20));
}
