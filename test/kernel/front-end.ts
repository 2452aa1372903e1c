/** What a front end makes of a kernel's messages: open comms, states of widgets, outputs of a cell. */
import assert from "node:assert/strict";
import type { Exchange, KernelClient } from "../../kernel/client";
import { OutputArea } from "../../kernel/nbformat";
import type { Message } from "../../kernel/protocol/messages";
import { until } from "./support";

/** Sends a message of a comm and waits until it was handled. @returns what was broadcast for it, without statuses */
export async function sendComm(
  client: KernelClient,
  kind: "open" | "msg" | "close",
  content: { comm_id: string; target_name?: string; data: object },
  buffers: Buffer[] = [],
): Promise<Message[]> {
  const id = await client.notify(`comm_${kind}`, content, buffers);
  await until(() => isIdle(client, id));
  return client.published.filter((m) => m.parent.msg_id === id && m.header.msg_type !== "status");
}

/** Whether the kernel is done with a message. */
export function isIdle(client: KernelClient, id: string): boolean {
  return client.published.some((m) => m.parent.msg_id === id && m.content.execution_state === "idle");
}

/** A user changes a widget. @returns the states that were sent back, each after its method */
export async function change(client: KernelClient, comm_id: string, state: object): Promise<[string, any][]> {
  const data = { method: "update", state, buffer_paths: [] };
  const published = await sendComm(client, "msg", { comm_id, data });
  return published
    .map(({ content }) => content as any)
    .filter((content) => content.comm_id === comm_id)
    .map(({ data }) => [data.method, data.state]);
}

/** The states of all open widgets after all messages so far, by id. */
export function models(client: KernelClient): Map<string, any> {
  const states = new Map<string, any>();
  for (const { header, content } of client.published as { header: Message["header"]; content: any }[]) {
    const { comm_id, target_name, data } = content;
    if (header.msg_type === "comm_open" && target_name === "jupyter.widget")
      states.set(comm_id, { ...data.state });
    if (header.msg_type === "comm_msg" && data.method === "update")
      Object.assign(states.get(comm_id), data.state);
    if (header.msg_type === "comm_close") states.delete(comm_id);
  }
  return states;
}

/** The id of the first widget that a cell shows. */
export function shownModel({ published }: Exchange): string {
  const id = published
    .map(({ content }) => (content as any).data?.["application/vnd.jupyter.widget-view+json"]?.model_id)
    .find((id) => id !== undefined);
  assert.ok(id, "a cell that shows a widget");
  return id;
}

/** The ids of the widgets in the box that a cell shows first. */
export function shownChildren(client: KernelClient, exchange: Exchange): string[] {
  const { children } = models(client).get(shownModel(exchange));
  return children.map((reference: string) => reference.replace("IPY_MODEL_", ""));
}

/** The outputs of a cell as they are now, those that came after it ended included; widgets as their texts. */
export function area(client: KernelClient, { reply }: Exchange): OutputArea {
  const area = new OutputArea(new Map());
  for (const message of client.published)
    if (message.parent.msg_id === reply.parent.msg_id) area.add(message);
  return area;
}
