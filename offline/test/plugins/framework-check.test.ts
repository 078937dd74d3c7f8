import assert from "node:assert/strict";
import { checkInputs, type CheckContext } from "../../plugins/framework/check.js";
import { stateOfInputs, type Specs } from "../../plugins/framework/schema.js";
import { Unknown, type Properties } from "../../plugins/framework/values.js";
import { thing, THING } from "./framework-thing.js";

const specs = thing().inputs as Specs;
const context: CheckContext = {
  token: THING,
  resourceName: "web",
  seed: new Uint8Array([1, 2, 3]),
  autonaming: undefined,
};
const check = (news: Properties, olds?: Properties, more: Partial<CheckContext> = {}) =>
  checkInputs(specs, news, olds, { ...context, ...more });

describe("the framework's check", () => {
  it("fills in defaults and an autoname, and records both", () => {
    const { inputs, failures } = check({ kind: "a" });
    assert.deepEqual(failures, []);
    assert.match(String(inputs.name), /^web-[0-9a-f]{7}$/);
    assert.deepEqual(inputs, { kind: "a", color: "red", name: inputs.name, __defaults: ["color", "name"] });
  });

  it("makes the same name from the same seed, and another from another or from none", () => {
    const name = (seed: number[]) => check({ kind: "a" }, undefined, { seed: new Uint8Array(seed) }).inputs.name;
    assert.equal(name([1]), name([1]));
    assert.notEqual(name([1]), name([2]));
    assert.notEqual(name([]), name([]));
  });

  it("keeps the autoname of the last run, but not a name that was given by hand", () => {
    const olds = { kind: "a", name: "web-1234567", color: "red", __defaults: ["color", "name"] };
    assert.equal(check({ kind: "b" }, olds).inputs.name, "web-1234567");
    const byHand = check({ kind: "b" }, { ...olds, name: "mine", __defaults: ["color"] });
    assert.match(String(byHand.inputs.name), /^web-[0-9a-f]{7}$/);
  });

  it("takes every old value for a default where none were recorded", () => {
    assert.equal(check({ kind: "a" }, { kind: "a", name: "imported" }).inputs.name, "imported");
  });

  it("lets the stack's configuration propose, enforce or forbid names", () => {
    const name = (mode: "propose" | "enforce") =>
      check({ kind: "a" }, undefined, { autonaming: { mode, proposedName: "given" } }).inputs.name;
    assert.equal(name("propose"), "given");
    assert.equal(name("enforce"), "given");
    const { failures } = check({ kind: "a" }, undefined, { autonaming: { mode: "disable", proposedName: "" } });
    assert.deepEqual(failures, [
      { property: "name", reason: "automatic naming is disabled but no explicit name was provided" },
    ]);
  });

  it("refuses by name what the stand-in does not implement, at every depth", () => {
    const { failures } = check({ kind: "a", cpus: 2, parts: [{ id: "x" }, { id: "y", speed: 3 }] });
    assert.deepEqual(failures, [
      { property: "cpus", reason: `sandbox stand-in: ${THING} does not implement input cpus` },
      { property: "parts[1].speed", reason: `sandbox stand-in: ${THING} does not implement input parts[1].speed` },
    ]);
  });

  it("refuses what is missing, invalid or in conflict", () => {
    const reasons = (news: Properties) => check(news).failures.map(({ reason }) => reason);
    assert.deepEqual(reasons({}), ["Missing required property 'kind'"]);
    assert.deepEqual(reasons({ kind: "a", size: -1 }), ["size: must not be negative, got -1"]);
    assert.deepEqual(reasons({ kind: "a", parts: [{}] }), ["Missing required property 'parts[0].id'"]);
    assert.deepEqual(reasons({ kind: "a", left: "l", right: "r" }), ["left: conflicts with right"]);
  });

  it("lets unknown values pass", () => {
    const { inputs, failures } = check({ kind: Unknown.value, size: Unknown.value, parts: Unknown.value });
    assert.deepEqual(failures, []);
    assert.equal(inputs.kind, Unknown.value);
    assert.equal(inputs.parts, Unknown.value);
  });

  it("fills in the defaults of nested objects and records them there", () => {
    const { inputs } = check({ kind: "a", parts: [{ id: "x" }, { id: "y", size: 5 }] });
    assert.deepEqual(inputs.parts, [
      { id: "x", size: 1, __defaults: ["size"] },
      { id: "y", size: 5, __defaults: [] },
    ]);
  });

  it("leaves defaults out that Terraform cannot tell from unset; the state has them, and that is no difference", () => {
    const own: Specs = { off: { default: false }, none: { default: "" }, some: { default: 3 } };
    assert.deepEqual(checkInputs(own, {}, undefined, context).inputs, { some: 3, __defaults: ["some"] });
    assert.deepEqual(stateOfInputs(own, { some: 3 }), { off: false, none: "", some: 3 });
  });

  it("refuses text that is no value of the default's type", () => {
    const own: Specs = { off: { default: false }, some: { default: 3 } };
    const reasons = (news: Properties) =>
      checkInputs(own, news, undefined, context).failures.map(({ reason }) => reason);
    assert.deepEqual(reasons({ off: "true", some: "4" }), []);
    assert.deepEqual(reasons({ off: "yes", some: "four" }), [
      'off: cannot parse "yes" as a boolean',
      'some: cannot parse "four" as a number',
    ]);
  });

  it("drops nulls", () => {
    assert.equal("size" in check({ kind: "a", size: null }).inputs, false);
  });
});
