import assert from "node:assert/strict";
import { whyNoAnswer } from "../../../lib/unknown-authority";
import { messagesNameKeys } from "../support/keys";

const failed = (cause?: unknown) => new TypeError("fetch failed", { cause });

describe("why a request got no answer", () => {
  messagesNameKeys();

  it("is the cause, not just that it failed; with several addresses, the first one's cause", () => {
    assert.equal(whyNoAnswer(failed(new Error("getaddrinfo ENOTFOUND a.example"))), "getaddrinfo ENOTFOUND a.example");
    const both = ["::1", "127.0.0.1"].map((address) => new Error(`connect ECONNREFUSED ${address}:1`));
    assert.equal(whyNoAnswer(failed(new AggregateError(both))), "connect ECONNREFUSED ::1:1");
    assert.equal(whyNoAnswer(failed()), "fetch failed");
    assert.equal(whyNoAnswer("no error at all"), "no error at all");
  });

  it("includes the cure if no known authority has signed the certificate", () => {
    const own = Object.assign(new Error("self-signed certificate in certificate chain"), {
      code: "SELF_SIGNED_CERT_IN_CHAIN",
    });
    for (const cause of [own, new AggregateError([own])])
      assert.match(whyNoAnswer(failed(cause)), /^self-signed .*; no known authority .*audit:caFile .*AUDIT_CA_FILE/);
  });
});
