import assert from "node:assert/strict";
import { assertEffects, assertHas, assertRefused, assertStable } from "./harness/expect.js";
import { Bench } from "./harness/installed.js";
import type { Plugin } from "./harness/plugin.js";
import { secretKeys, unknownKeys } from "./harness/values.js";

const PASSWORD = "random:index/randomPassword:RandomPassword";
const STRING = "random:index/randomString:RandomString";
const UUID = "random:index/randomUuid:RandomUuid";
const ID = "random:index/randomId:RandomId";

describe("random", () => {
  const bench = new Bench();
  let random: Plugin;
  before(async () => {
    random = await bench.configured("random");
  });
  afterEach(() => bench.cleanUp());
  after(() => bench.close());

  it("asks for previews and for secrets to be stripped", () => {
    assertHas(
      { ...random.flags },
      { acceptSecrets: false, supportsPreview: true, supportsAutonamingConfiguration: true },
    );
  });

  describe("RandomPassword", () => {
    it("shows its defaults in a preview, and the password as unknown", async () => {
      const outputs = await random.resource(PASSWORD, "pw").previewCreate({ length: 16 });
      assert.deepEqual(unknownKeys(outputs), ["bcryptHash", "id", "result"]);
      assertHas(outputs, {
        length: 16,
        lower: true,
        upper: true,
        numeric: true,
        number: true,
        special: true,
        minLower: 0,
        minUpper: 0,
        minNumeric: 0,
        minSpecial: 0,
      });
    });

    it("keeps the password and its hash as secrets under the id `none`", async () => {
      const pw = random.resource(PASSWORD, "pw");
      await pw.create({ length: 24, special: false });
      assert.equal(pw.id, "none");
      assert.match(String(pw.values.result), /^[A-Za-z0-9]{24}$/);
      assert.match(String(pw.values.bcryptHash), /^\$2a\$10\$.{53}$/);
      assert.deepEqual(
        secretKeys(pw.outputs).filter((k) => !k.startsWith("__")),
        ["bcryptHash", "result"],
      );
    });

    it("writes no defaults into the inputs", async () => {
      const { inputs } = await random.resource(PASSWORD, "pw").check({ length: 16 });
      delete inputs.__defaults;
      assert.deepEqual(inputs, { length: 16 });
    });

    it("keeps the minimum of each class and the given special characters", async () => {
      const pw = random.resource(PASSWORD, "pw");
      await pw.create({ length: 8, minLower: 2, minUpper: 2, minNumeric: 2, minSpecial: 2, overrideSpecial: "_" });
      const value = String(pw.values.result);
      for (const one of [/[a-z]/g, /[A-Z]/g, /[0-9]/g, /_/g]) {
        assert.equal(value.match(one)?.length, 2, "two of each class in eight characters");
      }
    });

    it("is replaced by a change of any input, and of an unset one by its default's opposite only", async () => {
      const pw = random.resource(PASSWORD, "pw");
      const base = { length: 16, special: false, keepers: { a: "1" } };
      await pw.create(base);
      await assertStable(pw, base);
      await assertEffects(pw, base, [
        [{ length: 17 }, "replace"],
        [{ special: true }, "replace"],
        [{ special: undefined }, "replace"],
        [{ keepers: { a: "2" } }, "replace"],
        [{ keepers: undefined }, "replace"],
        [{ lower: false }, "replace"],
        [{ lower: true }, "none"],
        [{ upper: false }, "replace"],
        [{ numeric: false }, "replace"],
        [{ minLower: 1 }, "replace"],
        [{ minUpper: 1 }, "replace"],
        [{ minNumeric: 1 }, "replace"],
        [{ overrideSpecial: "!" }, "replace"],
      ]);
    });

    it("reads back what it is told and takes an imported id for the password", async () => {
      const pw = random.resource(PASSWORD, "pw");
      await pw.create({ length: 16 });
      const before = pw.values.result;
      await pw.refresh();
      assert.equal(pw.values.result, before);
      const imported = await pw.import("hunter2");
      assert.equal(imported?.id, "none");
      assertHas(imported?.outputs ?? {}, { result: "hunter2", length: 7 });
    });

    it("refuses a missing length, a length of zero, and minimums above the length", async () => {
      const pw = random.resource(PASSWORD, "pw");
      await assertRefused(pw, {}, "length");
      await assertRefused(pw, { length: 0 }, "length");
      await assertRefused(pw, { length: 3, minLower: 9 }, "length");
    });
  });

  describe("RandomString", () => {
    it("is its own id, and no secret", async () => {
      const s = random.resource(STRING, "s");
      const base = { length: 12, special: false };
      await s.create(base);
      assert.match(s.id, /^[A-Za-z0-9]{12}$/);
      assert.equal(s.values.result, s.id);
      assert.deepEqual(
        secretKeys(s.outputs).filter((k) => !k.startsWith("__")),
        [],
      );
      await assertStable(s, base);
      await assertEffects(s, base, [
        [{ length: 13 }, "replace"],
        [{ keepers: { a: "b" } }, "replace"],
      ]);
      assert.deepEqual(unknownKeys(await s.previewCreate(base)), ["id", "result"]);
    });
  });

  describe("RandomUuid", () => {
    it("has the shape of a UUID, unknown in a preview, replaced by its keepers", async () => {
      const u = random.resource(UUID, "u");
      assert.deepEqual(unknownKeys(await u.previewCreate({})), ["id", "result"]);
      await u.create({});
      // Sixteen random bytes: the genuine plugin sets neither version nor variant.
      assert.match(u.id, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
      assert.equal(u.values.result, u.id);
      await assertStable(u, {});
      await assertEffects(u, {}, [[{ keepers: { a: "b" } }, "replace"]]);
    });
  });

  describe("RandomId", () => {
    it("shows the same bytes in every form, with the prefix everywhere but in the id", async () => {
      const r = random.resource(ID, "r");
      const base = { byteLength: 4, prefix: "p-" };
      await r.create(base);
      const bytes = Buffer.from(r.id, "base64url");
      assert.equal(bytes.length, 4);
      assertHas(r.outputs, {
        b64Std: `p-${bytes.toString("base64")}`,
        b64Url: `p-${bytes.toString("base64url")}`,
        hex: `p-${bytes.toString("hex")}`,
        dec: `p-${bytes.readUInt32BE()}`,
      });
      await assertStable(r, base);
      await assertEffects(r, base, [
        [{ byteLength: 5 }, "replace"],
        [{ prefix: "q-" }, "replace"],
        [{ keepers: { a: "b" } }, "replace"],
      ]);
      assert.deepEqual(unknownKeys(await r.previewCreate(base)), ["b64Std", "b64Url", "dec", "hex", "id"]);
    });
  });
});
