import type * as pulumi from "@pulumi/pulumi";
import { defineResource, PartialFailure, type ProviderSpec } from "../../plugins/framework/index.js";

interface PartArgs {
  id: pulumi.Input<string>;
  size?: pulumi.Input<number>;
  mode?: pulumi.Input<string>;
  token?: pulumi.Input<string>;
}

/** A resource class as an SDK would have it, with one input for each kind of behaviour. */
export declare class Thing extends pulumi.CustomResource {
  readonly name: pulumi.Output<string>;
  readonly kind: pulumi.Output<string>;
  readonly size: pulumi.Output<number | undefined>;
  readonly driver: pulumi.Output<string>;
  readonly color: pulumi.Output<string>;
  readonly password: pulumi.Output<string | undefined>;
  readonly tags: pulumi.Output<string[] | undefined>;
  readonly labels: pulumi.Output<Record<string, string> | undefined>;
  readonly parts: pulumi.Output<pulumi.Unwrap<PartArgs>[] | undefined>;
  readonly json: pulumi.Output<string | undefined>;
  readonly left: pulumi.Output<string | undefined>;
  readonly right: pulumi.Output<string | undefined>;
  readonly address: pulumi.Output<string>;
  readonly revision: pulumi.Output<number>;
  readonly key: pulumi.Output<string>;
  constructor(
    name: string,
    args: {
      name?: pulumi.Input<string>;
      kind: pulumi.Input<string>;
      size?: pulumi.Input<number>;
      driver?: pulumi.Input<string>;
      color?: pulumi.Input<string>;
      password?: pulumi.Input<string>;
      tags?: pulumi.Input<pulumi.Input<string>[]>;
      labels?: pulumi.Input<Record<string, pulumi.Input<string>>>;
      parts?: pulumi.Input<pulumi.Input<PartArgs>[]>;
      json?: pulumi.Input<string>;
      left?: pulumi.Input<string>;
      right?: pulumi.Input<string>;
    },
    opts?: pulumi.CustomResourceOptions,
  );
}

export declare class Provider extends pulumi.ProviderResource {
  constructor(
    name: string,
    args: { host?: pulumi.Input<string>; auth?: pulumi.Input<{ user: string }[]>; tries?: pulumi.Input<number> },
    opts?: pulumi.ResourceOptions,
  );
}

export const THING = "test:index/thing:Thing";

/** What the provider acts on, and what it was asked to do. */
export class World {
  readonly things = new Map<string, Record<string, unknown>>();
  readonly calls: string[] = [];
  config: unknown;
  closed = false;
  /** Make the next create or update fail: before there is an id, or after. */
  failure: "early" | "late" | undefined;
}

const canonical = (json: string) => JSON.stringify(JSON.parse(json));

export function thing(extra: { deleteBeforeReplace?: boolean } = {}) {
  return defineResource<typeof Thing, World>({
    token: THING,
    ...extra,
    inputs: {
      name: { forceNew: true, autoname: true },
      kind: { forceNew: true, required: true },
      size: { validate: (size) => (size < 0 ? `must not be negative, got ${size}` : undefined) },
      driver: { computed: true },
      color: { default: "red" },
      password: { secret: true },
      tags: { unordered: true },
      labels: { forceNew: true },
      parts: {
        fields: {
          id: { required: true, forceNew: true },
          size: { default: 1 },
          mode: { computed: true },
          token: { secret: true },
        },
      },
      json: { stateOf: canonical },
      left: { conflictsWith: ["right"] },
      right: {},
    },
    outputs: { address: {}, revision: { changesOnUpdate: true }, key: { secret: true } },
    async create(world, inputs, call) {
      world.calls.push(`create ${call.name}`);
      if (world.failure === "early") throw new Error("no room");
      const id = inputs.name ?? "";
      world.things.set(id, { ...inputs });
      if (world.failure === "late") throw new PartialFailure(id, { address: "half" }, ["not healthy"]);
      call.log.info(`made ${id}`);
      return Promise.resolve({ id, state: { driver: "local", address: `at ${id}`, revision: 1, key: "k" } });
    },
    async read(world, id, state) {
      world.calls.push(`read ${id}`);
      const live = world.things.get(id);
      if (!live) return Promise.resolve(undefined);
      return Promise.resolve({ id, state: { ...state, size: (live.size as number | undefined) ?? null } });
    },
    async update(world, id, old, inputs, { changed }, call) {
      world.calls.push(`update ${id} [${[...changed].sort().join(" ")}]`);
      if (world.failure === "late") throw new PartialFailure(id, { address: "half" }, ["half done"]);
      if (world.failure) throw new Error("refused");
      world.things.set(id, { ...inputs });
      call.log.warn("changed");
      return Promise.resolve({ state: { revision: (old.revision ?? 0) + 1 } });
    },
    async delete(world, id) {
      world.calls.push(`delete ${id}`);
      if (world.failure) throw new Error("in use");
      world.things.delete(id);
      return Promise.resolve();
    },
  });
}

export function testProvider(
  world: World,
  extra: { deleteBeforeReplace?: boolean } = {},
): ProviderSpec<typeof Provider, World> {
  return {
    name: "test",
    version: "1.2.3",
    config: { host: { default: () => "fallback" }, auth: { json: true, secret: true }, tries: { json: true } },
    configure(config) {
      world.config = config;
      return world;
    },
    resources: [thing(extra)],
    close() {
      world.closed = true;
      return Promise.resolve();
    },
  };
}
