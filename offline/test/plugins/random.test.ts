import assert from "node:assert/strict";
import { bridged } from "../../plugins/framework/bridged.js";
import { contradiction, generateString, type StringRules } from "../../plugins/random/generate.js";
import { randomId } from "../../plugins/random/id.js";
import { randomPassword, randomString } from "../../plugins/random/string.js";
import { randomUuid } from "../../plugins/random/uuid.js";
import type { Handlers, Operation } from "../../plugins/framework/server.js";
import { Secret, withoutSecrets, type Properties } from "../../plugins/framework/values.js";

const rules: StringRules = {
  length: 12,
  upper: true,
  lower: true,
  numeric: true,
  special: true,
  minUpper: 0,
  minLower: 0,
  minNumeric: 0,
  minSpecial: 0,
  overrideSpecial: "",
};

describe("the random stand-in", () => {
  const silent = { debug: noop, info: noop, warn: noop, error: noop, status: noop };
  function noop(): void {
    // nobody reads these lines
  }
  const operation = (type: string): Operation => ({
    urn: `urn:pulumi:dev::proj::${type}::x`,
    type,
    name: "x",
    log: silent,
    signal: new AbortController().signal,
    timeoutSeconds: undefined,
  });
  let provider: Handlers;
  before(async () => {
    provider = bridged({
      name: "random",
      version: "0.0.0",
      config: {},
      configure: () => undefined,
      resources: [randomPassword, randomString, randomId, randomUuid],
    });
    await provider.configure({});
  });

  it("draws from the allowed characters only, and from all of them", () => {
    const text = Array.from({ length: 200 }, () => generateString({ ...rules, special: false, upper: false })).join("");
    assert.deepEqual([...new Set(text)].sort().join(""), "0123456789abcdefghijklmnopqrstuvwxyz");
    const special = Array.from({ length: 200 }, () =>
      generateString({ ...rules, upper: false, lower: false, numeric: false, overrideSpecial: "_é" }),
    ).join("");
    assert.deepEqual([...new Set(special)].sort(), ["_", "é"]);
  });

  it("keeps minimums of classes that are switched off elsewhere, and puts them anywhere", () => {
    const places = new Set<number>();
    for (let run = 0; run < 300; run++) {
      const text = generateString({ ...rules, upper: false, special: false, minUpper: 1 });
      assert.equal(text.length, 12);
      assert.equal(text.match(/[A-Z]/g)?.length, 1);
      places.add(text.search(/[A-Z]/));
    }
    assert.equal(places.size, 12);
  });

  it("says why no string can follow the rules", () => {
    assert.equal(contradiction(rules), undefined);
    assert.equal(contradiction({ ...rules, length: 0 }), "length must be at least 1, got 0");
    assert.equal(
      contradiction({ ...rules, upper: false, lower: false, numeric: false, special: false }),
      "at least one of special, upper, lower, numeric must be true",
    );
    assert.equal(
      contradiction({ ...rules, length: 3, minLower: 2, minNumeric: 2 }),
      "length (3) must be at least minUpper + minLower + minNumeric + minSpecial (4)",
    );
  });

  it("makes a bcrypt hash that fits the password, both secret", async () => {
    const { id, state } = await provider.create(operation(randomPassword.token), { length: 16 }, false);
    assert.equal(id, "none");
    assert.ok(state.result instanceof Secret && state.bcryptHash instanceof Secret);
    const { compare } = await import("bcryptjs");
    const { result, bcryptHash } = withoutSecrets(state) as { result: string; bcryptHash: string };
    assert.equal(await compare(result, bcryptHash), true);
    assert.equal(await compare(`${result}.`, bcryptHash), false);
  });

  it("takes imported ids apart", async () => {
    const read = async (type: string, id: string): Promise<Properties> =>
      withoutSecrets((await provider.read(operation(type), id, {}, {}))?.state ?? {});
    assert.deepEqual(await read(randomId.token, "p-,AQIDBA"), {
      id: "AQIDBA",
      prefix: "p-",
      byteLength: 4,
      b64Std: "p-AQIDBA==",
      b64Url: "p-AQIDBA",
      hex: "p-01020304",
      dec: "p-16909060",
    });
    await assert.rejects(read(randomId.token, "A+B="), /"A\+B=" is not base64 for URLs without padding/);
    const uuid = "6C84FB90-12C4-11E1-840D-7B25C5EE775A";
    assert.equal((await read(randomUuid.token, uuid)).result, uuid.toLowerCase());
    await assert.rejects(read(randomUuid.token, "6c84"), /"6c84" is not a UUID/);
    assert.equal((await read(randomString.token, "abc")).length, 3);
    assert.equal((await read(randomPassword.token, "hunter2")).id, "none");
  });

  it("forgets nothing and asks nobody when it deletes", async () => {
    await provider.delete(operation(randomUuid.token), "x", { result: "x" });
  });
});
