import assert from "node:assert/strict";
import fc from "fast-check";
import type { Message } from "../../kernel/protocol/messages";
import { decode, encode, newHeader, WireError } from "../../kernel/protocol/wire";

const signing = { key: "secret", scheme: "hmac-sha256" };

function message(content: Record<string, unknown> = { a: 1 }): Message {
  const header = newHeader("execute_request", "session");
  return {
    identities: [Buffer.from("id")],
    header,
    parent: {},
    metadata: {},
    content,
    buffers: [Buffer.from([1, 2])],
  };
}

describe("kernel: messages on the wire", () => {
  it("come back as they were sent", () => {
    const sent = message({ text: "één 🎈", list: [1, null] });
    assert.deepEqual(decode(encode(sent, signing), signing), sent);
  });

  it("are refused when any signed part was changed, before it is parsed", () => {
    for (const part of [3, 4, 5, 6]) {
      const frames = encode(message(), signing);
      frames[part] = Buffer.from("{ not even JSON");
      assert.throws(() => decode(frames, signing), { constructor: WireError, message: "wrong signature" });
    }
  });

  it("are refused when signed with another key or not at all", () => {
    const frames = encode(message(), { ...signing, key: "other" });
    assert.throws(() => decode(frames, signing), /wrong signature/);
    assert.throws(() => decode(encode(message(), { ...signing, key: "" }), signing), /wrong signature/);
  });

  it("name what is missing", () => {
    const open = { ...signing, key: "" };
    assert.throws(() => decode([Buffer.from("x")], open), /no <IDS\|MSG> delimiter/);
    assert.throws(() => decode(encode(message(), open).slice(0, 4), open), /expected 4 JSON frames/);
    const headless = message();
    (headless.header as any).msg_id = 3;
    assert.throws(() => decode(encode(headless, open), open), /no text field "msg_id"/);
    const frames = encode(message(), open);
    frames[6] = Buffer.from("[1]");
    assert.throws(() => decode(frames, open), /expected a JSON object, got \[1\]/);
  });

  it("of any bytes are either messages or a WireError", () => {
    const open = { ...signing, key: "" };
    const frame = fc.oneof(
      fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
      fc.json().map((text) => Buffer.from(text)),
      fc.constant(Buffer.from("<IDS|MSG>")),
    );
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 9 }), (frames) => {
        try {
          assert.equal(typeof decode(frames, open).header.msg_type, "string");
        } catch (error) {
          assert.ok(error instanceof WireError, String(error));
        }
      }),
    );
  });
});
