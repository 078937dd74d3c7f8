import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { runtime } from "@pulumi/pulumi";
import { z } from "zod";
import { settingsOfStack } from "../../../config";
import { alternatives } from "../../../config/alternatives";
import { groups, schema } from "../../../config/groups";
import { describeSetting, projectConfig, referencePage, withConfig } from "../../../config/reference";
import { list, oneOf, optional, trueOrFalse, wholeNumber } from "../../../config/values";
import { good } from "../support/settings";

describe("the reference of the settings", () => {
  it("has each key in one group", () => {
    const keys = groups.flatMap((group) => Object.keys(group.keys));
    assert.deepEqual(keys, Object.keys(schema.shape));
    assert.equal(new Set(keys).size, keys.length);
  });

  const kinds: [string, z.ZodType, object][] = [
    ["a text that must be set", z.string(), { type: "string", default: undefined, allowed: undefined }],
    ["a text that may be left out", optional(z.string()), { type: "string", default: "", allowed: undefined }],
    ["a number", wholeNumber(1, 16).default(2), { type: "integer", default: 2, allowed: "1 to 16" }],
    ["a number that must be set", wholeNumber(1, 16), { type: "integer", default: undefined, allowed: "1 to 16" }],
    ["yes or no", trueOrFalse.default(true), { type: "boolean", default: true, allowed: undefined }],
    ["a choice", oneOf("a", "b").default("a"), { type: "string", default: "a", allowed: "`a` or `b`" }],
    [
      "a list with further rules",
      list(z.string(), '["x"]').refine((items) => items.length > 0),
      { type: "array", default: undefined, allowed: 'a list such as `["x"]`' },
    ],
    [
      "an object",
      z
        .string()
        .transform((text) => JSON.parse(text) as object)
        .default({}),
      { type: "object", default: {}, allowed: undefined },
    ],
  ];
  for (const [what, kind, expected] of kinds) {
    it(`reads ${what} from its schema`, () => {
      const { key, description, variable, ...facts } = describeSetting("key", kind.describe("About it."));
      assert.deepEqual(facts, expected);
      assert.deepEqual([key, description, variable], ["key", "About it.", undefined]);
    });
  }

  it("refuses a setting without a description, by name", () => {
    assert.throws(() => describeSetting("replicas", wholeNumber(1, 2)), /replicas in config\/ has no description/);
  });

  it("writes Pulumi.yaml only below its line, and quotes texts that YAML could take for another type", () => {
    const project = readFileSync("Pulumi.yaml", "utf8");
    const at = project.indexOf("# Generated");
    const head = project.slice(0, at);
    const written = withConfig(`${project.slice(0, project.indexOf("\n", at) + 1)}config:\n  old: {}\n`);
    assert.ok(written.startsWith(head));
    assert.deepEqual((parse(written) as { config: unknown }).config, projectConfig());
    assert.match(written, /default: "off"\n/);
    assert.match(written, /default: "172\.29"\n/);
    assert.throws(() => withConfig("name: audit\n"), /Pulumi\.yaml lacks the line/);
  });

  it("knows every key that the stack's file and the documentation name", () => {
    const texts = [
      "Pulumi.vm2.yaml",
      "Pulumi.cluster.yaml",
      "README.md",
      "docs/guide.md",
      "docs/ru/guide.md",
      "docs/reference.md",
      "docs/ru/reference.md",
      "docs/runbook.md",
      "docs/sandbox.md",
    ];
    for (const path of [...texts, "docs/upgrading.md", "docs/ru/upgrading.md", "CHANGELOG.md"]) {
      const named = readFileSync(path, "utf8").matchAll(/\baudit:([a-z][A-Za-z]+)/g);
      for (const [text, key = ""] of named) {
        if (!text.startsWith("audit:index")) assert.ok(key in schema.shape, `${path} names ${text}`);
      }
    }
  });

  for (const stack of ["vm2", "cluster"]) {
    it(`accepts the file of the stack ${stack} as it is, except for the password, which is not in it`, () => {
      const { config } = parse(readFileSync(`Pulumi.${stack}.yaml`, "utf8")) as { config: Record<string, unknown> };
      const values = Object.entries(config).map(([key, value]) => [
        key,
        typeof value === "string" ? value : JSON.stringify(value),
      ]);
      runtime.setAllConfig(Object.fromEntries(values) as Record<string, string>);
      assert.equal(
        settingsOfStack({ AUDIT_REGISTRY_PASSWORD: "x" }).monitoring.environment,
        config["audit:environment"],
      );
      assert.throws(() => settingsOfStack({}), /1 mistake;[^]*audit:registryPassword is missing/);
    });
  }

  it("names each key on the page, what is required, and what belongs to each alternative", () => {
    const page = referencePage();
    for (const key of Object.keys(schema.shape)) assert.ok(page.includes(`\n- \`audit:${key}\` (`), key);
    assert.match(page, /^- `audit:environment` \(string; \*\*required\*\*\): /m);
    assert.match(page, /^- `audit:replicas` \(integer; 1 to 16; default `2`\): /m);
    assert.match(page, /^\| `files` \| `audit:tlsCertificateFile`, `audit:tlsKeyFile` \| – \|$/m);
    assert.match(page, /^\| `vault` \| `audit:tlsPkiRole` \| `audit:tlsPkiMount`, `audit:tlsPkiTtl` \|$/m);
    for (const line of readFileSync("docs/settings.md", "utf8").split("\n")) assert.ok(line.length <= 120, line);
  });
});

describe("alternatives in the configuration", () => {
  const keys = {
    by: oneOf("none", "file", "vault").default("none"),
    host: optional(z.string()),
    file: optional(z.string()),
    reload: optional(z.string()),
    mount: z.string().default("pki"),
  };
  const options = { needs: { file: ["host"] }, instead: "none" } as const;
  const source = alternatives(
    keys,
    "by",
    "from",
    { none: {}, file: { path: "file", then: "reload?" }, vault: { mount: "mount" } },
    options,
  );
  const values = { by: "none", host: undefined, file: undefined, reload: undefined, mount: "pki" } as const;

  it("say what each value needs and takes", () => {
    assert.deepEqual(source.values, [
      { value: "none", needs: [], takes: [] },
      { value: "file", needs: ["host", "file"], takes: ["reload"] },
      { value: "vault", needs: [], takes: ["mount"] },
    ]);
  });

  it("name what is missing, only for the chosen value", () => {
    assert.deepEqual(source.missing(values), []);
    assert.deepEqual(source.missing({ ...values, by: "file", host: "x" }), [
      "audit:file is missing; set it, or set audit:by to none instead of file",
    ]);
  });

  it("reach a component as the chosen one with its own parts", () => {
    assert.deepEqual(source.chosen(values), { from: "none" });
    const file = source.chosen({ ...values, by: "file", host: "h", file: "f" });
    assert.deepEqual(file, { from: "file", path: "f", then: undefined });
    assert.deepEqual(source.chosen({ ...values, by: "vault" }), { from: "vault", mount: "pki" });
  });

  it("have the shape of the components' arguments", () => {
    const read = (changes: Record<string, string>) => {
      runtime.setAllConfig({ ...good, ...changes });
      return settingsOfStack({});
    };
    const standard = read({});
    assert.equal(standard.edge.certificate, undefined);
    assert.equal(standard.vault.databaseEngine, undefined);
    assert.deepEqual(standard.monitoring.prometheus.targets, { by: "file", directory: "/etc/prometheus/targets" });
    assert.deepEqual(standard.monitoring.alerts, {
      ...{ in: "prometheus", directory: "/etc/prometheus/rules", reload: undefined },
    });
    assert.deepEqual(standard.monitoring.grafana.dataSource, { uid: "prometheus" });
    const other = read({
      ...{ "audit:tls": "vault", "audit:tlsPkiRole": "edge" },
      ...{ "audit:databaseCredentials": "dynamic", "audit:prometheusDiscovery": "http", "audit:alerts": "none" },
      ...{ "audit:grafanaDataSource": "", "audit:grafanaPrometheusUrl": "http://p:9090" },
    });
    assert.deepEqual(other.edge.certificate, { by: "vault", mount: "pki", role: "edge", ttl: "72h" });
    assert.deepEqual(other.vault.databaseEngine, { mount: "database" });
    assert.deepEqual(other.monitoring.prometheus.targets, { by: "http" });
    assert.deepEqual(other.monitoring.alerts, { in: "none" });
    assert.deepEqual(other.monitoring.grafana.dataSource, { prometheusUrl: "http://p:9090", authority: undefined });
    const files = { "audit:tlsCertificateFile": "edge.pem", "audit:tlsKeyFile": "edge.key" };
    assert.deepEqual(read({ "audit:tls": "files", ...files }).edge.certificate, {
      ...{ by: "files", certificateFile: "edge.pem", keyFile: "edge.key" },
    });
  });
});
