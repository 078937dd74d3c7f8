import assert from "node:assert/strict";
import { verifierKey } from "../../../lib/verifier-key";

describe("the public key of a signed note's signer", () => {
  it("is written as in the example of Go's package note", () => {
    const example = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const key = Buffer.from(example.split("+")[2] ?? "", "base64").subarray(1);
    assert.equal(verifierKey("PeterNeumann", key), example);
  });
});
