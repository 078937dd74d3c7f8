import assert from "node:assert/strict";
import { inputsOfState, refreshInputs } from "../../plugins/framework/read.js";
import type { Specs } from "../../plugins/framework/schema.js";
import { thing } from "./framework-thing.js";

const specs: Specs = {
  ...(thing().inputs as Specs),
  rules: { unordered: true, fields: { port: {}, ip: { default: "any" } } },
};

describe("the framework's reading back of inputs", () => {
  it("keeps the old inputs' keys and nothing else, at every depth", () => {
    const old = { size: 1, labels: { a: "1", gone: "x" }, parts: [{ id: "p", __defaults: [] }], right: "r" };
    const state = {
      size: 2,
      labels: { a: "2", new: "y" },
      parts: [{ id: "p", mode: "0644" }, { id: "q" }],
      address: "x",
    };
    assert.deepEqual(refreshInputs(specs, old, state), { size: 2, labels: { a: "2" }, parts: [{ id: "p" }] });
  });

  it("drops defaults from the record that have drifted", () => {
    const old = { name: "n", color: "red", __defaults: ["color", "name"] };
    assert.deepEqual(refreshInputs(specs, old, { name: "n", color: "blue" }), {
      name: "n",
      color: "blue",
      __defaults: ["name"],
    });
    assert.deepEqual(refreshInputs(specs, old, { color: "blue" }), { color: "blue" });
  });

  it("finds a set's elements by what the program gave of them", () => {
    const old = {
      rules: [
        { port: 1, __defaults: [] },
        { port: 2, ip: "x", __defaults: [] },
      ],
    };
    const live = (...rules: object[]) => refreshInputs(specs, old, { rules }).rules;
    assert.deepEqual(live({ port: 2, ip: "x", id: 7 }, { port: 1, ip: "any", id: 8 }), [
      { port: 1 },
      { port: 2, ip: "x" },
    ]);
    assert.deepEqual(live({ port: 2, ip: "x" }, { port: 9 }), [{ port: 9 }, { port: 2, ip: "x" }]);
    assert.deepEqual(live({ port: 2, ip: "x" }), [{ port: 2, ip: "x" }]);
  });

  it("makes up an import's inputs from what is not a default or zero", () => {
    const state = {
      name: "n",
      kind: "",
      color: "red",
      size: 0,
      parts: [
        { id: "p", size: 1 },
        { id: "", size: 2 },
      ],
      address: "x",
    };
    assert.deepEqual(inputsOfState(specs, state), {
      name: "n",
      kind: "",
      parts: [
        { id: "p", __defaults: [] },
        { id: "", size: 2, __defaults: [] },
      ],
      __defaults: [],
    });
  });
});
