import assert from "node:assert/strict";
import { describe, it } from "mocha";
import {
  adopted,
  changesOf,
  outputOf,
  withoutSecrets,
  type Plan,
  type State,
  type Value,
} from "../../../ci/lib/placeholders";

const secret = (value: Value): Value => ({
  "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
  plaintext: JSON.stringify(value),
});
const plain = (value: Value | undefined): unknown => JSON.parse((value as { plaintext: string }).plaintext);
const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

const resource = (name: string, inputs: Record<string, Value>, outputs: Record<string, Value> = inputs) => ({
  ...{ urn: `urn:pulumi:vm2::audit::t::${name}`, type: "t", inputs, outputs },
});
const stateOf = (...resources: State["deployment"]["resources"] & object): State => ({
  version: 4,
  deployment: {
    manifest: { version: "v3" },
    resources,
    secrets_providers: { type: "cloud", state: { encryptedkey: "dmF1bHQ6" } },
    pending_operations: [{ resource: resource("cut-off", { password: secret("of-a-cut-off") }) }],
  },
});
const inputs = (state: State | undefined, name: string): Record<string, Value> =>
  state?.deployment.resources?.find(({ urn }) => urn.endsWith(`::${name}`))?.inputs ?? {};

describe("ci: a state without its secrets", () => {
  const password = "s3cr3t-of-the-database";
  const state = stateOf(
    resource("password", {}, { result: secret(password), length: 32 }),
    resource("role", { name: "audit", password: secret(password) }),
    resource("kv", {
      dataJson: secret(JSON.stringify({ password, port: 5432, tls: true, tags: ["blue-secret"], none: "" })),
    }),
    resource("container", {
      envs: secret(["A=1", `PASSWORD=${password}`]),
      pin: secret(4711),
      key: secret("{not JSON"),
    }),
  );
  const copy = withoutSecrets(state);

  it("has none of them anywhere, nor anything that would decrypt the real one", () => {
    const text = JSON.stringify(copy);
    for (const value of [password, "5432", "4711", "blue-secret", "{not JSON", "of-a-cut-off", "dmF1bHQ6"])
      assert.equal(text.includes(value), false, value);
  });

  it("keeps types, the shape of JSON, equality, and all that is not secret", () => {
    const placeholder = plain(inputs(copy, "role").password);
    assert.match(String(placeholder), /^placeholder-[0-9a-f]{12}$/);
    assert.equal(inputs(copy, "role").name, "audit");
    const data = JSON.parse(String(plain(inputs(copy, "kv").dataJson))) as { tags: unknown[] };
    assert.deepEqual(data, { password: placeholder, port: 0, tls: true, tags: data.tags, none: "" });
    assert.match(String(data.tags[0]), /^placeholder-/);
    assert.equal((plain(inputs(copy, "container").envs) as unknown[]).length, 2);
    assert.equal(plain(inputs(copy, "container").pin), 0);
    const [{ outputs } = {}] = copy.deployment.resources ?? [];
    assert.deepEqual([plain(outputs?.result), outputs?.length], [placeholder, 32]);
  });

  it("is the same every time", () => assert.deepEqual(withoutSecrets(state), copy));

  it("is not made from a state whose secrets were not exported", () => {
    const sealed = { "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", ciphertext: "v1:x" };
    assert.throws(() => withoutSecrets(stateOf(resource("a", { b: sealed }))), /without its secrets in plain text/);
  });
});

describe("ci: a copy adopts what the deployed program computes from the placeholders", () => {
  const state = stateOf(
    resource("hashed", { hash: "of-the-secret", name: "a", old: 1 }, { hash: "of-the-secret", id: "7" }),
    resource("same", { name: "b" }),
  );
  const planOf = (name: string, inputDiff: object): Plan => ({
    resourcePlans: { [`urn:pulumi:vm2::audit::t::${name}`]: { goal: { inputDiff } } },
  });

  it("into inputs, and into the outputs that repeat them", () => {
    const next = adopted(state, planOf("hashed", { updates: { hash: "of-the-placeholder" }, adds: { more: true }, deletes: ["old"] })); // prettier-ignore
    assert.deepEqual(inputs(next, "hashed"), { hash: "of-the-placeholder", name: "a", more: true });
    assert.deepEqual(next?.deployment.resources?.[0]?.outputs, { hash: "of-the-placeholder", id: "7" });
    assert.deepEqual(inputs(next, "same"), { name: "b" });
  });

  it("in the order into which a plugin has put their JSON", () => {
    const [given, kept] = ['{"b":"s1","a":{"d":1,"c":"s2"}}', '{"a":{"c":"s2","d":1},"b":"s1"}'];
    const copy = withoutSecrets(stateOf(resource("kv", { dataJson: secret(given) }, { dataJson: secret(kept) })));
    const next = adopted(copy, planOf("kv", { updates: { dataJson: secret('{"b":"<1>","a":{"d":3,"c":"2"}}') } }));
    assert.equal(
      plain(next?.deployment.resources?.[0]?.outputs?.dataJson),
      '{"a":{"c":"2","d":3},"b":"\\u003c1\\u003e"}',
    );
  });

  it("but nothing that is unknown yet, and no resource that does not exist", () => {
    assert.equal(adopted(state, planOf("hashed", { updates: { hash: `sha256:${UNKNOWN}` } })), undefined);
    assert.equal(adopted(state, planOf("new", { adds: { name: "c" } })), undefined);
    assert.equal(adopted(state, planOf("same", {})), undefined);
    assert.equal(adopted(state, {}), undefined);
  });

  it("and says what is left", () => {
    const plan = { resourcePlans: { "a::kv": { steps: ["update"] }, "a::b": { steps: ["same"] }, "a::c": {} } };
    assert.deepEqual(changesOf(plan), ["kv (update)"]);
  });

  it("and still has the stack's outputs", () => {
    const stack = { urn: "urn", type: "pulumi:pulumi:Stack", outputs: { image: "h/p/n@sha256:0" } };
    assert.equal(outputOf(stateOf(stack), "image"), "h/p/n@sha256:0");
    assert.equal(outputOf(state, "image"), undefined);
  });
});
