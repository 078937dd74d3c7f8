import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { cpSync, existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { stateKey } from "../../sandbox/src/platform/names";
import { rootToken } from "./support/bootstrap";
import { attached, root, run, type Sandbox } from "./support/sandbox";
import { pushOnePort } from "./support/variant";

const STACK = "e2e";

/** An example as a user has it: a program in its own directory with the package installed, and its own stack. */
class Example {
  readonly #directory: string;

  constructor(
    private readonly sandbox: Sandbox,
    world: string,
    readonly name: string,
  ) {
    this.#directory = join(world, "examples", name);
    cpSync(join(root, "examples", name), this.#directory, { recursive: true });
  }

  async #must(...command: string[]): Promise<string> {
    const env = {
      ...this.sandbox.env,
      ...{ PULUMI_STACK: STACK, PULUMI_OPTION_CONFIG_FILE: "" },
      // The example makes its policy in Vault by itself.
      VAULT_TOKEN: rootToken(),
    };
    const { code, output, stdout } = await run(command, env, undefined, this.#directory);
    assert.equal(code, 0, `${this.name}: ${command.join(" ")}\n${output}`);
    return stdout;
  }

  pulumi(...args: string[]): Promise<string> {
    return this.#must("pulumi", ...args, "--non-interactive", "--color", "never");
  }

  /** @param config settings by their keys, without the project's name */
  async deploy(config: Record<string, unknown>): Promise<void> {
    await this.#must("npm", "install", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund");
    await this.pulumi("stack", "init", STACK, "--secrets-provider", `hashivault://${stateKey}`);
    const file = join(this.#directory, `Pulumi.${STACK}.yaml`);
    const settings = Object.entries(config).map(([key, value]) => [`${this.name}:${key}`, value]);
    const initialised = parse(readFileSync(file, "utf8")) as object;
    writeFileSync(file, stringify({ ...initialised, config: Object.fromEntries(settings) as object }));
    await this.pulumi("up", "--yes", "--skip-preview");
  }

  async remove(): Promise<void> {
    if (!existsSync(join(this.#directory, `Pulumi.${STACK}.yaml`))) return;
    await this.pulumi("destroy", "--yes", "--skip-preview");
    await this.pulumi("stack", "rm", "--yes");
  }
}

/** The library as others use it: packed, installed into an empty directory, and deployed beside this program's own stack. */
describe("scenario: the components in other programs", function () {
  this.timeout(900_000);
  const sandbox = attached();
  const world = realpathSync(mkdtempSync(join(tmpdir(), "elsewhere-")));
  const examples: Example[] = [];
  let settings: Record<string, unknown> = {};
  /** Settings of both examples for the VM and Vault. */
  let common: object = {};

  before("pack", async () => {
    const build = [process.execPath, "--import", "tsx", "tools/build-package.ts", join(world, "build")];
    const { code, output } = await run(build);
    assert.equal(code, 0, output);
    const file = parse(readFileSync(sandbox().get("PULUMI_OPTION_CONFIG_FILE"), "utf8")) as {
      config: Record<string, unknown>;
    };
    settings = file.config;
    const server = String(settings["audit:image"]).split("/")[0];
    const [username, password] = [settings["audit:registryUsername"], sandbox().get("AUDIT_REGISTRY_PASSWORD")];
    common = {
      host: {
        ...{ address: settings["audit:hostAddress"], sshOptions: settings["audit:hostSshOptions"] },
        registry: { server, username, password },
      },
      vault: { address: settings["audit:vaultAddress"], agentAddress: settings["audit:vaultAgentAddress"] },
    };
  });
  after("remove what the examples deployed", async () => {
    for (const example of examples) await example.remove();
    const left = await sandbox().docker("ps", "--all", "--format", "{{.Names}}");
    assert.doesNotMatch(left, /^(one-port|binding)-/m);
    rmSync(world, { recursive: true });
  });

  const add = (name: string): Example => {
    const example = new Example(sandbox(), world, name);
    examples.push(example);
    return example;
  };

  it("put an image with one port behind an edge: an event goes in and comes out, and a second run changes nothing", async () => {
    const authority = String(settings["audit:caFile"]);
    // The port of VM2 for TLS, which the sandbox publishes and its own stack does not use.
    const url = `http://127.0.0.1:${new URL(sandbox().get("AUDIT_URL")).port.replace(/80$/, "43")}`;
    const example = add("one-port");
    await example.deploy({
      ...common,
      range: "10.87.0.0/22",
      images: {
        service: await pushOnePort(sandbox()),
        nginx: settings["audit:edgeImage"],
        exporter: settings["audit:exporterImage"],
        vault: settings["audit:vaultImage"],
      },
      database: {
        ...{ host: settings["audit:databaseHost"], port: 5432, sslMode: "verify-full" },
        authority: { file: authority, pem: readFileSync(authority, "utf8") },
      },
      admin: {
        ...{ host: sandbox().get("PGHOST"), port: Number(sandbox().get("PGPORT")), username: sandbox().get("PGUSER") },
        ...{ sslmode: "verify-full", sslrootcert: authority, superuser: false },
      },
      protect: false,
      edge: {
        listen: { port: 443, tlsPort: 8443, metricsPort: 9146 },
        ...{ metricsAllow: ["127.0.0.1"], publicUrl: url },
      },
    });
    const tokenOf = async (holder: string) => {
      const path = `secret/data/one-port-tokens/${holder}`;
      const secret = await sandbox().vault<{ data: { data: { token: string } } }>("GET", path, undefined, rootToken());
      return { authorization: `Bearer ${secret?.data.data.token}`, "content-type": "application/json" };
    };
    const id = randomUUID();
    const event = {
      ...{ id, application: "demo", actor: "anna", action: "login", resource: "console", outcome: "success" },
      occurredAt: new Date().toISOString(),
    };
    const sent = await fetch(`${url}/v1/events`, {
      ...{ method: "POST", headers: await tokenOf("writer-demo"), body: JSON.stringify(event) },
    });
    assert.equal(sent.status, 201, await sent.text());
    const read = await fetch(`${url}/v1/events?limit=1`, { headers: await tokenOf("reader") });
    assert.match(await read.text(), new RegExp(id));
    assert.equal((await fetch(`${url}/reload`, { method: "POST" })).status, 404);
    await example.pulumi("preview", "--expect-no-changes");
  });

  it("bind a secret to a third-party container, and a second run changes nothing", async () => {
    const vaultImage = settings["audit:vaultImage"];
    const example = add("secrets-binding");
    await example.deploy({ ...common, range: "10.87.4.0/22", images: { reader: vaultImage, vault: vaultImage } });
    const file = await sandbox().docker("exec", "binding-reader", "cat", "/run/secrets/config.json");
    const secret = await sandbox().vault<{ data: { data: object } }>(
      ...(["GET", "secret/data/binding", undefined, rootToken()] as const),
    );
    assert.match(file, /"password": ".{32,}"/);
    assert.deepEqual(JSON.parse(file), secret?.data.data);
    await example.pulumi("preview", "--expect-no-changes");
  });
});
