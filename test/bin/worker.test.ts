import assert from "node:assert/strict";
import { loralab } from "./command";

describe("loralab worker", () => {
  it("says that no Redis answers, without the password, and how to start one", () => {
    const { status, stderr } = loralab(["worker", "redis://:secret@127.0.0.1:1"]);
    assert.equal(status, 1);
    assert.match(
      stderr,
      /^error: no Redis answers at redis:\/\/…@127\.0\.0\.1:1 \(ECONNREFUSED\)\. Start one, such as redis-server/m,
    );
    assert.doesNotMatch(stderr, /secret/);
  });

  it("takes whole numbers of trials alone, and addresses of Redis", () => {
    const { status, stderr } = loralab(["worker", "--trials", "0"]);
    assert.equal(status, 2);
    assert.match(stderr, /'--trials <n>' argument '0' is invalid\. expected a whole number from 1/);
    assert.match(loralab(["worker", "localhost"]).stderr, /expected the address of Redis, such as redis:/);
  });
});
