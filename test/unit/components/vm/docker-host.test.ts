import assert from "node:assert/strict";
import { DockerHost } from "../../../../components/vm/docker-host";
import { remoteShell } from "../../../../lib/remote-shell";
import { find, run, scriptOf, Secret } from "../../support/program";
import { TOOLS } from "../../support/world";

describe("DockerHost", () => {
  const args = { address: "ssh://deploy@vm.example.test:2222", sshOptions: ["-F", "ssh/config"], tools: TOOLS };

  it("reaches the engine by ssh, with host keys checked and no prompts", async () => {
    const { resources } = await run(() => new DockerHost("vm", args));
    const provider = find(resources, "docker", "vm");
    assert.equal(provider.inputs.host, "ssh://deploy@vm.example.test:2222");
    assert.deepEqual(JSON.parse(provider.inputs.sshOpts as string), [
      "-o",
      "StrictHostKeyChecking=yes",
      "-o",
      "BatchMode=yes",
      "-o",
      "ConnectTimeout=10",
      "-F",
      "ssh/config",
    ]);
    assert.equal(provider.inputs.registryAuth, undefined);
  });

  it("gives the registry's password as a secret", async () => {
    const { resources } = await run(
      () =>
        new DockerHost("vm", {
          ...args,
          registry: { server: "r.example.test", username: "robot", password: "hidden" },
        }),
    );
    const { registryAuth } = find(resources, "docker", "vm").inputs;
    assert.ok(registryAuth instanceof Secret, "the whole input must be secret");
    assert.deepEqual(JSON.parse(registryAuth.value as string), [
      { address: "r.example.test", username: "robot", password: "hidden" },
    ]);
  });

  it("runs a script by ssh once its tools are there, and hides its output if it has input", async () => {
    const { resources } = await run(() => {
      const host = new DockerHost("vm", args);
      host.script("loud", { script: "echo 'a b'", verbose: true }, { parent: host });
      host.script("quiet", { script: "cat", stdin: "text" }, { parent: host });
    });
    const loud = find(resources, "Command", "loud");
    assert.equal(
      loud.inputs.create,
      "ssh -o StrictHostKeyChecking=yes -o BatchMode=yes -o ConnectTimeout=10 -o ControlMaster=no -F ssh/config -p 2222 -- " +
        'deploy@vm.example.test "$AUDIT_SCRIPT"',
    );
    assert.equal(scriptOf(loud.inputs), "echo 'a b'");
    assert.equal(loud.inputs.logging, "stdoutAndStderr");
    assert.ok(loud.dependsOn.includes(find(resources, "RemoteImage", "vm-tools").urn));
    assert.equal(find(resources, "Command", "quiet").inputs.logging, "none");
  });

  it("gives ssh an IPv6 address without brackets", () => {
    assert.match(remoteShell("ssh://deploy@[2001:db8::5]:2222", []), / -p 2222 -- deploy@2001:db8::5$/);
  });

  it("runs a script here for an engine on this machine", () => {
    assert.equal(remoteShell("unix:///run/docker.sock", []), "env DOCKER_HOST=unix:///run/docker.sock sh -c");
  });
});
