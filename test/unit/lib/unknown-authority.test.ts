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

  it("includes the cure if NO_PROXY has a range, which Node does not know and asks by the proxy", () => {
    const refused = Object.assign(new Error("Proxy response (403) !== 200 when HTTP Tunneling"), {
      code: "UND_ERR_ABORTED",
    });
    const proxy = { https_proxy: "http://proxy:3128" };
    for (const name of ["NO_PROXY", "no_proxy"])
      assert.match(
        whyNoAnswer(failed(refused), { ...proxy, [name]: "localhost,10.0.0.0/8" }),
        /^Proxy response .*Tunneling; Node knows no ranges such as 10\.0\.0\.0\/8 in NO_PROXY: .* name its host or domain there/,
      );
    for (const env of [proxy, { ...proxy, NO_PROXY: "localhost,.example.com" }, { NO_PROXY: "10.0.0.0/8" }])
      assert.equal(whyNoAnswer(failed(refused), env), refused.message);
    const both = { ...proxy, NO_PROXY: "10.0.0.0/8" };
    const notRun = Object.assign(new Error("spawn pulumi ENOENT"), { code: "ENOENT", syscall: "spawn pulumi" });
    for (const other of [notRun, new Error("no JSON")]) assert.equal(whyNoAnswer(other, both), other.message);
  });
});
