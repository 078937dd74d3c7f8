import assert from "node:assert/strict";
import { AuditService } from "../../../../components/release/audit-service";
import { schemaVersionIn } from "../../../../components/release/schema-version";
import { planRelease } from "../../../../components/release/release";
import type { ReleaseState } from "../../../../lib/release-state";
import { addressPlan } from "../../../../components/vm/addresses";
import { find, ofType, run, Secret, valueOf, scriptOf, type Registered } from "../../support/program";
import { IMAGE, OTHER_IMAGE, surroundings, type WorldOptions } from "../../support/world";

function build(options: WorldOptions = {}) {
  const w = surroundings(options);
  return { ...w, service: new AuditService("audit-svc", w) };
}

/** The containers of the service itself. */
const replicas = (resources: readonly Registered[]) =>
  ofType(resources, "Container").filter(({ name }) => /-(blue|green)-\d+$/.test(name));

const served = (image: string, replicas = 2): ReleaseState =>
  planRelease("audit-svc", { image, replicas }, undefined, addressPlan("172.29")).next;

describe("AuditService", () => {
  it("creates restricted replicas, which the promotion starts", async () => {
    const { resources } = await run(build);
    const { inputs, deleteBeforeReplace } = find(resources, "Container", "audit-svc-blue-1");
    assert.equal(inputs.readOnly, true);
    assert.equal(inputs.user, "10001:10001");
    assert.deepEqual(inputs.capabilities, { drops: ["ALL"] });
    assert.deepEqual(inputs.securityOpts, ["no-new-privileges"]);
    assert.equal(inputs.memory, 256);
    assert.equal(inputs.memorySwap, 256);
    assert.equal(inputs.restart, "unless-stopped");
    // The promotion starts it, with a fraction of this CPU weight until it serves.
    assert.equal(inputs.start, false);
    assert.equal(inputs.cpuShares, 1024);
    assert.equal(inputs.destroyGraceSeconds, 40);
    assert.deepEqual(inputs.logOpts, { "max-size": "10m", "max-file": "2" });
    assert.equal(inputs.ports, undefined, "no port of a replica may be published");
    assert.equal(inputs.uploads, undefined);
    assert.equal(deleteBeforeReplace, true);
  });

  it("binds each listener to one network, and none to egress", async () => {
    const { resources } = await run(build);
    const { inputs } = find(resources, "Container", "audit-svc-blue-2");
    assert.deepEqual(inputs.networksAdvanced, [
      { name: "audit-front", ipv4Address: "172.29.96.17" },
      { name: "audit-admin", ipv4Address: "172.29.97.17" },
      { name: "audit-egress" },
    ]);
    const envs = inputs.envs as string[];
    assert.ok(envs.includes("AUDIT_LISTEN=172.29.96.17:8080"));
    assert.ok(envs.includes("AUDIT_ADMIN_LISTEN=172.29.97.17:8081"));
  });

  it("keeps an image with one port off the admin network", async () => {
    const { resources } = await run(() => build({ reloadOn: "main" }));
    const { inputs } = find(resources, "Container", "audit-svc-blue-1");
    assert.deepEqual(inputs.networksAdvanced, [
      { name: "audit-front", ipv4Address: "172.29.96.16" },
      { name: "audit-egress" },
    ]);
    const envs = inputs.envs as string[];
    assert.ok(envs.includes("AUDIT_LISTEN=172.29.96.16:8080"));
    assert.ok(envs.includes("AUDIT_ADMIN_LISTEN=off"));
  });

  it("requires a release to report the rendered configuration and the schema of migrate", async () => {
    const { resources } = await run(build, (args) =>
      args.name === "audit-svc-migrate" ? { stdout: "applied: 2 more\nschema version 2\n" } : undefined,
    );
    const script = scriptOf(find(resources, "Command", "audit-svc-cutover").inputs);
    assert.match(
      script,
      /--user 0:0 --group-add 10001 --volume audit-svc-release:\/marker --volume audit-svc-rendered:\/config:ro /,
    );
    assert.match(script, / switch-helper\.sh \/marker \/config\/config\.json 2$/);
  });

  it("reads the schema's version from migrate's output, if it is there", () => {
    assert.equal(schemaVersionIn("applied: 12 twelve\nschema version 12\ngranted"), 12);
    assert.equal(schemaVersionIn("migrated\n"), undefined);
  });

  it("fills only the idle slot, and leaves the other unchanged", async () => {
    const { resources } = await run(() => build({ image: OTHER_IMAGE, previous: served(IMAGE, 3) }));
    const containers = replicas(resources);
    assert.deepEqual(containers.map((c) => c.name).sort(), [
      "audit-svc-blue-1",
      "audit-svc-blue-2",
      "audit-svc-blue-3",
      "audit-svc-green-1",
      "audit-svc-green-2",
    ]);
    for (const c of containers) {
      // Of an idle container only the networks matter: it cannot start on networks that were replaced.
      const all = Object.keys(c.inputs).filter((key) => key !== "networksAdvanced");
      assert.deepEqual([...(c.ignoreChanges ?? [])].sort(), c.name.includes("blue") ? all.sort() : [], c.name);
    }
  });

  it("finds missing only what the last completed deploy left in the slot that it fills", async () => {
    const { result } = await run(() => {
      const previous = served(IMAGE);
      const idle = { release: "older0000000", image: IMAGE, replicas: 1, memory: 256 };
      return build({ image: OTHER_IMAGE, previous: { ...previous, slots: { ...previous.slots, green: idle } } });
    });
    const { green } = result.slots.plan.replicas;
    assert.deepEqual(
      green.map((replica) => result.slots.left(replica)),
      ["there", "nothing"],
    );
  });

  it("starts stopped replicas that it keeps, and none of the other slot", async () => {
    const kept = async (image: string) => {
      const { result } = await run(() => {
        const previous = served(IMAGE);
        const idle = { release: "older0000000", image: OTHER_IMAGE, replicas: 1, memory: 256 };
        return build({ image, previous: { ...previous, slots: { ...previous.slots, green: idle } } });
      });
      return result.slots.kept;
    };
    assert.deepEqual(await kept(IMAGE), ["audit-svc-blue-1", "audit-svc-blue-2"]);
    assert.deepEqual(await kept(OTHER_IMAGE), []);
  });

  it("creates no container of a slot that was never filled", async () => {
    const { resources } = await run(build);
    assert.deepEqual(
      replicas(resources).map((c) => c.name),
      ["audit-svc-blue-1", "audit-svc-blue-2"],
    );
  });

  it("orders: recovery, image, migrate, containers, promotion", async () => {
    const { resources } = await run(build);
    const urn = (type: string, name: string) => find(resources, type, name).urn;
    const deps = (type: string, name: string) => find(resources, type, name).dependsOn;
    assert.ok(deps("RemoteImage", "audit-svc-image").includes(urn("Command", "audit-svc-guard")));
    assert.ok(deps("Command", "audit-svc-migrate").includes(urn("RemoteImage", "audit-svc-image")));
    assert.ok(deps("Container", "audit-svc-blue-1").includes(urn("Command", "audit-svc-migrate")));
    assert.ok(deps("Command", "audit-svc-cutover").includes(urn("Container", "audit-svc-blue-1")));
    assert.ok(deps("Command", "audit-svc-cutover").includes(urn("Container", "audit-svc-blue-2")));
  });

  it("locks the former login once every replica has confirmed its configuration, after the promotion", async () => {
    const { resources } = await run(build);
    const confirmed = find(resources, "Command", "audit-svc-confirmed");
    assert.ok(confirmed.dependsOn.includes(find(resources, "Command", "audit-svc-cutover").urn));
    assert.ok(confirmed.dependsOn.includes(find(resources, "Command", "audit-svc-logged-in").urn));
    assert.ok(find(resources, "Role", "audit-app-alt").dependsOn.includes(confirmed.urn));
    assert.equal(find(resources, "Role", "audit-app-alt").inputs.login, false);
  });

  it("drains the other slot after the promotion, before the former login is locked; none when it is empty", async () => {
    const { resources } = await run(() => build({ image: OTHER_IMAGE, previous: served(IMAGE) }));
    const drain = find(resources, "Command", "audit-svc-drain");
    const promotion = find(resources, "Command", "audit-svc-cutover");
    assert.ok(drain.dependsOn.includes(promotion.urn));
    assert.deepEqual(drain.inputs.triggers, [`id-of-${promotion.name}`]);
    assert.match(
      scriptOf(drain.inputs),
      /^env TARGET=green OTHER=blue 'OTHER_REPLICAS=audit-svc-blue-1=http:\/\/\S+ audit-svc-blue-2=http:\/\/\S+' DRAIN_SECONDS=2 /,
    );
    assert.ok(find(resources, "Command", "audit-svc-confirmed").dependsOn.includes(drain.urn));

    const first = await run(build);
    assert.ok(!first.resources.some(({ name }) => name === "audit-svc-drain"));
  });

  it("tells of the promotion before the drain has ended, and of the state after it", async () => {
    const { result, resources } = await run(() => build({ image: OTHER_IMAGE, previous: served(IMAGE) }));
    assert.equal(await valueOf(result.service.promoted.urn), find(resources, "Command", "audit-svc-cutover").urn);
  });

  it("promotes a slot once nginx knows it", async () => {
    const { resources } = await run(build);
    const { dependsOn } = find(resources, "Command", "audit-svc-cutover");
    assert.ok(dependsOn.includes(find(resources, "Command", "audit-edge-config-files").urn));
    assert.ok(dependsOn.includes(find(resources, "Container", "audit-edge-nginx").urn));
  });

  it("recovers only from a slot that it fills, not from one that is active already", async () => {
    const recovery = async (image: string) => {
      const { resources } = await run(() => {
        const first = served(IMAGE);
        const idle = { release: "older0000000", image: "x", replicas: 1, memory: 256 };
        return build({ image, previous: { active: "blue", slots: { ...first.slots, green: idle } } });
      });
      const { inputs, ignoreChanges } = find(resources, "Command", "audit-svc-guard");
      return { script: scriptOf(inputs), ignoreChanges };
    };
    assert.deepEqual(await recovery(IMAGE), { script: "true", ignoreChanges: ["environment"] });
    const filling = await recovery(OTHER_IMAGE);
    assert.match(
      filling.script,
      /^env TARGET=green OTHER=blue 'OTHER_REPLICAS=audit-svc-blue-1=http:\/\/\S+ audit-svc-blue-2=http:\/\/\S+' /,
    );
    assert.deepEqual(filling.ignoreChanges, []);
  });

  it("passes the owner's password to migrate only by standard input, as a secret", async () => {
    const { resources } = await run(build);
    const { inputs } = find(resources, "Command", "audit-svc-migrate");
    assert.ok(inputs.stdin instanceof Secret);
    assert.deepEqual(JSON.parse(inputs.stdin.value as string), {
      database: {
        ...{ host: "db.example.test", port: 5433, name: "events", sslmode: "verify-full" },
        ...{ user: "events_owner", password: "password-of-audit-owner-password" },
      },
      runtimeRole: "events_runtime",
      tokens: [],
    });
    assert.equal(inputs.logging, "none");
    assert.doesNotMatch(JSON.stringify({ ...inputs, stdin: undefined }), /password-of/);
    for (const word of ["--network audit-egress", "--read-only", "--cap-drop ALL", "--user 10001:10001"]) {
      assert.ok(scriptOf(inputs).includes(word), word);
    }
  });

  it("pulls by digest and keeps images", async () => {
    const { resources } = await run(build);
    assert.deepEqual(find(resources, "RemoteImage", "audit-svc-image").inputs, { name: IMAGE, keepLocally: true });
    assert.equal(find(resources, "Container", "audit-svc-blue-1").inputs.image, `sha256:id-of-${IMAGE}`);
  });

  it("returns the state of the slots only after the promotion", async () => {
    const { result } = await run(() => build({ image: OTHER_IMAGE, previous: served(IMAGE) }));
    const state = await valueOf(result.service.state);
    assert.equal(state.active, "green");
    assert.equal(state.slots.green?.image, OTHER_IMAGE);
    assert.equal(state.slots.blue?.image, IMAGE);
  });

  it("parents everything it makes", async () => {
    const { resources } = await run(build);
    const component = find(resources, "AuditService", "audit-svc");
    const own = [
      ...replicas(resources),
      find(resources, "Cutover", "audit-svc"),
      ...["audit-svc-migrate", "audit-svc-confirmed"].map((name) => find(resources, "Command", name)),
    ];
    for (const { name, parent } of own) assert.equal(parent, component.urn, name);
  });
});
