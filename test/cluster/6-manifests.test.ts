import assert from "node:assert/strict";
import { run } from "../e2e/support/sandbox";
import { deploy, withKubectl } from "../unit/support/cluster-program";
import { Secret, type Registered } from "../unit/support/program";
import { attached } from "./support/cluster";

/** What the scenarios deploy is one choice of settings; these are the others. */
const CHOICES: Record<string, Record<string, string>> = {
  "the defaults, by a balancer": {},
  "ports of the nodes": {
    ...{ "audit:edgeService": "nodePort", "audit:edgePort": "31080", "audit:edgeMetricsPort": "31145" },
  },
  "an autoscaler and a balancer's annotations": {
    "audit:replicas": "2",
    "audit:replicasMax": "8",
    "audit:edgeAnnotations": '{"metallb.io/loadBalancerIPs":"10.0.0.60"}',
  },
  "TLS from Vault, credentials that Vault makes, and the log": {
    ...{ "audit:tls": "vault", "audit:tlsPkiRole": "audit-edge", "audit:log": "vault" },
    ...{ "audit:databaseCredentials": "dynamic" },
  },
};

/** The API server's own judgement of every object that the program can make, without making it. */
describe("scenario: manifests as the API server reads them", () => {
  const cluster = attached();
  const rendered = new Map<string, object[]>();

  describe("rendered against mocks", () => {
    withKubectl();
    for (const [choice, more] of Object.entries(CHOICES))
      it(`has more than fifteen objects: ${choice}`, async () => {
        const manifests = (await deploy(undefined, more)).resources.flatMap(manifestsOf);
        assert.ok(manifests.length > 15, `only ${manifests.length}`);
        rendered.set(choice, manifests);
      });
  });

  /** What the API server says of objects; nothing is kept. */
  const asked = (items: readonly object[]) =>
    run(
      ["kubectl", "create", "--dry-run=server", "--validate=strict", "--filename", "-"],
      cluster().env,
      JSON.stringify({ apiVersion: "v1", kind: "List", items }),
    );

  describe("as the API server takes them", () => {
    for (const choice of Object.keys(CHOICES)) {
      it(`takes all of them without a warning: ${choice}`, async () => {
        const manifests = rendered.get(choice) ?? [];
        assert.ok(manifests.length > 0);
        const { code, output } = await asked(manifests);
        assert.equal(code, 0, output);
        assert.doesNotMatch(output, /Warning/);
        assert.equal(output.match(/created \(server dry run\)/g)?.length, manifests.length, output);
      });
    }

    it("would refuse a field that does not exist, and warn of a pod that is not restricted", async () => {
      const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "trial", namespace: "audit" } };
      const containers = [{ name: "trial", image: "trial" }];
      const unknown = await asked([{ ...pod, spec: { containers, colour: "red" } }]);
      assert.match(unknown.output, /unknown field .*colour/);
      const free = await asked([{ ...pod, spec: { containers } }]);
      assert.match(free.output, /violates PodSecurity "restricted/);
      assert.ok(unknown.code !== 0 && free.code !== 0);
    });
  });
});

/** The object that a resource stands for, and the Job that a command hands to kubectl, each under a name of its own. */
function manifestsOf({ type, name, inputs }: Registered): object[] {
  const plain = plainOf(inputs) as Record<string, object>;
  if (type.startsWith("kubernetes:")) return [underOwnName(plain, name)];
  const { MANIFEST } = (plain.environment ?? {}) as { MANIFEST?: string };
  return MANIFEST === undefined ? [] : [underOwnName(JSON.parse(MANIFEST) as Record<string, object>, name)];
}

/** What the sandbox has deployed bears the program's names. */
function underOwnName(object: Record<string, object>, name: string): object {
  const namespace = object.kind === ("Namespace" as unknown) ? {} : { namespace: "audit" };
  return { ...object, metadata: { ...object.metadata, ...namespace, name: `dry-${name}` } };
}

function plainOf(value: unknown): unknown {
  if (value instanceof Secret) return plainOf(value.value);
  if (Array.isArray(value)) return value.map(plainOf);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plainOf(inner)]));
}
