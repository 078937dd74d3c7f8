import assert from "node:assert/strict";
import { diffState, type CustomizeDiff, type DiffOptions } from "../../plugins/framework/diff.js";
import type { Specs } from "../../plugins/framework/schema.js";
import { Unknown, type Properties } from "../../plugins/framework/values.js";
import { thing } from "./framework-thing.js";

const specs = thing().inputs as Specs;
const options: DiffOptions = { ignoreChanges: [], deleteBeforeReplace: false };
const state = {
  name: "web-1234567",
  kind: "a",
  size: 3,
  driver: "local",
  color: "red",
  tags: ["x", "y"],
  labels: { a: "1", "b.c": "2" },
  parts: [
    { id: "p", size: 1, mode: "0644" },
    { id: "q", size: 2 },
  ],
  json: '{"a":1}',
  address: "somewhere",
};
const inputs: Properties = {
  name: "web-1234567",
  kind: "a",
  size: 3,
  color: "red",
  tags: ["y", "x"],
  labels: { a: "1", "b.c": "2" },
  parts: [
    { id: "p", size: 1, __defaults: [] },
    { id: "q", size: 2, __defaults: [] },
  ],
  json: '{ "a": 1 }',
  __defaults: ["color", "name"],
};

/** The differences as `kind path`, with `!` where they replace. */
function diff(change: Properties, more: Partial<DiffOptions> = {}, from: Properties = state): string[] {
  const result = diffState(specs, from, { ...inputs, ...change }, { ...options, ...more });
  return [...result.detailed].map(([path, { change, replace }]) => `${change} ${path}${replace ? "!" : ""}`).sort();
}

describe("the framework's diff", () => {
  it("sees none in the same inputs: order of sets, canonical JSON and outputs do not count", () => {
    assert.deepEqual(diff({}), []);
  });

  it("tells changes in place from those that replace", () => {
    assert.deepEqual(diff({ size: 4 }), ["update size"]);
    assert.deepEqual(diff({ kind: "b" }), ["update kind!"]);
    assert.deepEqual(diff({ size: undefined }), ["delete size"]);
    assert.deepEqual(diff({ password: "p" }), ["add password"]);
  });

  it("lets a computed input be unset, and a zero value be the same as none", () => {
    assert.deepEqual(diff({ driver: undefined }), []);
    assert.deepEqual(diff({ driver: "other" }), ["update driver"]);
    assert.deepEqual(diff({ size: undefined }, {}, { ...state, size: 0 }), []);
    assert.deepEqual(diff({ size: 0 }, {}, { ...state, size: undefined }), []);
    assert.deepEqual(diff({ tags: [] }, {}, { ...state, tags: undefined }), []);
  });

  it("sees what a read has filled in and the program does not set", () => {
    assert.deepEqual(diff({}, {}, { ...state, right: "drifted" }), ["delete right"]);
  });

  it("takes numbers and their text for the same, as Terraform converts to the schema's type", () => {
    assert.deepEqual(diff({ size: "3" }), []);
    assert.deepEqual(diff({ size: "4" }), ["update size"]);
  });

  it("names paths inside lists and maps, and quotes keys where it must", () => {
    assert.deepEqual(diff({ labels: { a: "2", d: "3" } }), [
      "add labels.d!",
      'delete labels["b.c"]!',
      "update labels.a!",
    ]);
    assert.deepEqual(diff({ parts: [{ id: "p", size: 9 }] }), [
      "delete parts[1].id!",
      "delete parts[1].size",
      "update parts[0].size",
    ]);
    assert.deepEqual(
      diff({
        parts: [
          { id: "z", size: 1 },
          { id: "q", size: 2 },
        ],
      }),
      ["update parts[0].id!"],
    );
    assert.deepEqual(diff({ tags: ["x", "z"] }), ["update tags[1]"]);
    assert.deepEqual(diff({ tags: ["z", "x", "y"] }), ["add tags[0]"]);
  });

  it("counts unknown values as changed", () => {
    assert.deepEqual(diff({ kind: Unknown.value, driver: Unknown.value, password: Unknown.value }), [
      "add password",
      "update driver",
      "update kind!",
    ]);
  });

  it("leaves out what is to be ignored, with all below it", () => {
    const change = {
      size: 4,
      labels: { a: "2", "b.c": "3" },
      parts: [
        { id: "p", size: 9 },
        { id: "q", size: 9 },
      ],
    };
    assert.deepEqual(diff(change, { ignoreChanges: ["size", "labels", "parts[*].size"] }), []);
    assert.deepEqual(diff(change, { ignoreChanges: ["siz", "labels.a", "parts[0]"] }), [
      'update labels["b.c"]!',
      "update parts[1].size",
      "update size",
    ]);
  });

  it("deletes first only if something is replaced and the name was given by hand, or always if told so", () => {
    const first = (change: Properties, more: Partial<DiffOptions> = {}) =>
      diffState(specs, state, { ...inputs, ...change }, { ...options, ...more }).deleteBeforeReplace;
    assert.equal(first({ kind: "b" }), false);
    assert.equal(first({ kind: "b", __defaults: ["color"] }), true);
    assert.equal(first({ size: 4, __defaults: ["color"] }), false);
    assert.equal(first({ kind: "b" }, { deleteBeforeReplace: true }), true);
    assert.equal(first({ size: 4 }, { deleteBeforeReplace: true }), false);
    assert.equal(first({ kind: "b", __defaults: undefined }), false, "a state older than the record of defaults");
  });

  it("lists what keeps its value", () => {
    const stables = (change: Properties) => diffState(specs, state, { ...inputs, ...change }, options).stables;
    assert.deepEqual(stables({ size: 4 }), ["kind", "labels", "name"]);
    assert.deepEqual(stables({ kind: "b" }), ["labels", "name"]);
  });

  it("lets a resource have the last word", () => {
    const customize: CustomizeDiff = (_state, _inputs, { changed }) =>
      changed.has("size") ? { changed: ["address"], unchanged: ["color"], replaces: ["size"] } : {};
    assert.deepEqual(diff({ size: 4, color: "blue" }, { customize }), ["update address", "update size!"]);
    assert.deepEqual(diff({ color: "blue" }, { customize }), ["update color"]);
  });
});
