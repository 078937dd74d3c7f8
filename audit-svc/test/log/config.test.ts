import assert from "node:assert/strict";
import { parseConfig } from "../../src/config.js";
import { newKey } from "../support/log.js";

const database = { host: "db", name: "audit", user: "u", password: "p" };
const parse = (log: unknown): unknown => parseConfig(Buffer.from(JSON.stringify({ database, log }))).log;
const { privateKey } = newKey();
const vault = { socket: "/run/audit/vault.sock", mount: "transit", key: "audit-svc-log" };
const origin = "audit.example.com/vm2";

describe("the log's configuration", () => {
  it("is a name and a signer", () => {
    for (const signer of [vault, { ...vault, namespace: "team" }, { privateKey }])
      assert.deepEqual(parse({ origin, signer }), { origin, signer });
    assert.equal(parse(undefined), undefined);
  });

  const refused: [string, object, string][] = [
    ["no signer", { origin }, "log: must have required properties signer"],
    ["no origin", { signer: vault }, "log: must have required properties origin"],
    ["an origin with a blank", { origin: "a b", signer: vault }, "log.origin: must have neither blanks nor +; use a host name and a path, like audit.example.com/vm2"],
    ["an origin with +", { origin: "a+b", signer: vault }, "log.origin: must have neither blanks nor +; use a host name and a path, like audit.example.com/vm2"],
    ["an empty signer", { origin, signer: {} }, "log.signer: must have socket, mount, key, to sign by Vault, or privateKey alone"],
    ["half of Vault's", { origin, signer: { socket: "/s" } }, "log.signer: must have mount, key, to sign by Vault, or privateKey alone"],
    ["both", { origin, signer: { privateKey, mount: "transit" } }, "log.signer: must not have mount beside privateKey; choose one way to sign"],
    ["a key of another kind", { origin, signer: { privateKey: "x" } }, "log.signer.privateKey: must be an Ed25519 key as PEM text in PKCS#8; make one with openssl genpkey -algorithm ed25519"],
    ["an unknown setting", { origin, signer: { ...vault, token: "x" } }, "log.signer.token: there is no such setting"],
  ]; // prettier-ignore
  for (const [what, log, message] of refused)
    it(`is refused with the cure: ${what}`, () => {
      assert.throws(() => parse(log), { name: "UserError", message: `configuration: ${message}.` });
    });
});
