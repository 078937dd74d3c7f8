import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { startTimeOf } from "../../src/parts/engine.js";
import { goToolPath, goTools, type GoToolName } from "../../src/parts/go-tools.js";
import { offlineDir } from "../../src/parts/paths.js";
import { checksumOf } from "../../src/parts/pulumi-cli.js";
import { pluginOf } from "../../src/parts/pulumi-home.js";
import { imageNames } from "../../src/parts/types.js";
import { versions } from "../../src/parts/versions.js";

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
  const modules: Record<GoToolName, string> = {
    pulumi: "github.com/pulumi/pulumi/pkg/v3",
    vault: "github.com/hashicorp/vault",
    "vault-postgres-plugin": "github.com/hashicorp/vault",
    "nginx-exporter": "github.com/nginx/nginx-prometheus-exporter",
  };
  for (const [name, module] of Object.entries(modules) as [GoToolName, string][]) {
    it(`builds the version of ${name} that is pinned`, () => {
      const text = readFileSync(join(offlineDir, "go", goTools[name].module, "go.mod"), "utf8");
      assert.ok(text.includes(`\t${module} v${versions().tools[name]} `), `go.mod has another version of ${module}`);
      assert.ok(goToolPath(name).includes(`${name}-${versions().tools[name]}-`));
    });
  }

  it("keeps Vault and its plugin apart in the cache", () => {
    assert.notEqual(goToolPath("vault"), goToolPath("vault-postgres-plugin"));
  });
});

describe("small readers", () => {
  it("finds a file's checksum, not a longer name's", () => {
    const a = "a".repeat(64);
    const b = "b".repeat(64);
    const text = `${a}  pulumi-v1-linux-x64.tar.gz.sig\n${b}  pulumi-v1-linux-x64.tar.gz\n`;
    assert.equal(checksumOf(text, "pulumi-v1-linux-x64.tar.gz"), b);
    assert.equal(checksumOf(text, "pulumi-v1-linux-arm64.tar.gz"), undefined);
  });

  it("takes a plugin's version and server from its SDK", () => {
    const server = "github://api.github.com/pulumiverse";
    assert.deepEqual(
      pluginOf({ version: "2.0.1", pulumi: { name: "grafana", version: "2.0.0", server } }, "@x/grafana"),
      {
        name: "grafana",
        version: "2.0.0",
        server,
      },
    );
    assert.deepEqual(pluginOf({ version: "1.2.3" }, "@pulumi/command"), { name: "command", version: "1.2.3" });
  });

  it("reads a process's start time, whatever its name", () => {
    const fields = Array.from({ length: 50 }, (_, index) => String(index + 4));
    assert.equal(startTimeOf(`12 (a) b (c) S ${fields.join(" ")}`), "22");
    // Ended, but not reaped by its parent.
    assert.equal(startTimeOf(`12 (dockerd) Z ${fields.join(" ")}`), undefined);
  });
});
