import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { goToolPath, goTools, type GoToolName } from "../../builders/go-tools.js";
import { imageNames } from "../../lib/image-names.js";
import { filesUnder } from "../../lib/keys.js";
import { offlineDir } from "../../lib/paths.js";
import { versions } from "../../lib/versions.js";

describe("pins", () => {
  it("has a way to every image", () => {
    const pins = versions().images;
    // These only add to another one, or add nothing.
    const derived = ["base", "node", "vm2"];
    for (const name of imageNames) {
      if (!derived.includes(name))
        assert.ok(pins[name]?.official, `${name} has no official reference in versions.json`);
      const made = name === "base-plain" || name === "grafana";
      if (!made) assert.ok(existsSync(join(offlineDir, "images", name, "Dockerfile")), `${name} has no recipe`);
    }
    for (const name of Object.keys(pins))
      assert.ok((imageNames as readonly string[]).includes(name), `${name} is no image`);
  });

  it("pins official images to a version; only Debian's and Node's move within theirs", () => {
    for (const [name, { official }] of Object.entries(versions().images)) {
      if (official === undefined || name === "base-plain" || name === "node-plain") continue;
      assert.match(official, /:v?\d+\.\d+(\.\d+)?/, `${name}: ${official}`);
    }
  });

  // The module that is built decides what runs; versions.json is what is shown and cached by.
  const modules: Record<Exclude<GoToolName, "pause" | "pulumi-kubernetes">, string> = {
    pulumi: "github.com/pulumi/pulumi/pkg/v3",
    vault: "github.com/hashicorp/vault",
    "vault-postgres-plugin": "github.com/hashicorp/vault",
    "nginx-exporter": "github.com/nginx/nginx-prometheus-exporter",
    kubernetes: "k8s.io/kubernetes",
    coredns: "github.com/coredns/coredns",
    kind: "sigs.k8s.io/kind",
    "vault-kubernetes-plugin": "github.com/hashicorp/vault-plugin-auth-kubernetes",
  };
  for (const [name, module] of Object.entries(modules) as [keyof typeof modules, string][]) {
    it(`builds the version of ${name} that is pinned`, () => {
      const lines = readFileSync(join(offlineDir, "go", goTools[name].module, "go.mod"), "utf8").split("\n");
      const line = new RegExp(`^(\\t|require )${module} v${versions().tools[name]}( |$)`);
      assert.ok(lines.some((text) => line.test(text)), `go.mod has another version of ${module}`); // prettier-ignore
      assert.ok(goToolPath(name).includes(`${name}-${versions().tools[name]}-`));
    });
  }

  it("builds the Kubernetes plugin that the program's package asks for", () => {
    const manifest = JSON.parse(readFileSync(join(offlineDir, "../package.json"), "utf8")) as {
      dependencies: Record<string, string>;
    };
    const { "@pulumi/kubernetes": wanted = versions().tools["pulumi-kubernetes"] } = manifest.dependencies;
    assert.equal(versions().tools["pulumi-kubernetes"], wanted);
  });

  it("takes Kubernetes' own modules in the one version that belongs to it", () => {
    const text = readFileSync(join(offlineDir, "go/kubernetes/go.mod"), "utf8");
    const replaced = [...text.matchAll(/^\t?(?:replace )?(k8s\.io\/[a-z-]+) => (\S+) (\S+)$/gm)];
    assert.equal(replaced.length, 31);
    const version = versions().tools.kubernetes.replace(/^1/, "v0");
    for (const [, from, to, pinned] of replaced) assert.deepEqual([to, pinned], [from, version]);
  });

  it("leaves out packages of pinned modules alone", () => {
    const programs = (Object.keys(goTools) as GoToolName[]).filter((name) => goTools[name].leavesOut === true);
    assert.deepEqual(programs, ["pulumi", "vault"]);
    for (const name of programs) {
      const directory = join(offlineDir, "go", goTools[name].module);
      const pinned = [...readFileSync(join(directory, "go.mod"), "utf8").matchAll(/^\t(\S+) v/gm)].map(
        ([, path]) => path,
      );
      for (const file of filesUnder(join(directory, "left-out")))
        assert.ok(pinned.some((module) => file.startsWith(`${module}/`)), `${name}: ${file}`); // prettier-ignore
    }
  });

  it("keeps Vault and its plugin apart in the cache", () => {
    assert.notEqual(goToolPath("vault"), goToolPath("vault-postgres-plugin"));
  });
});
