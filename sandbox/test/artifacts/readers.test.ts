import assert from "node:assert/strict";
import { startTimeOf } from "../../src/artifacts/engine.js";
import { checksumOf } from "../../src/artifacts/pulumi-cli.js";
import { pluginOf } from "../../src/artifacts/pulumi-home.js";

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
