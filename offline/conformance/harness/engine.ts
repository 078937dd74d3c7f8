import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { cleanEnv, projectRoot, pulumiHome } from "./installed.js";
import type { Props } from "./values.js";

const COMMAND_TIMEOUT_MS = 120_000;

export interface Outcome {
  readonly code: number;
  /** stdout and stderr of the CLI. */
  readonly output: string;
}

/** One resource as the state holds it. */
export interface SavedResource {
  readonly urn: string;
  readonly type: string;
  readonly id?: string;
  readonly inputs?: Props;
  readonly outputs?: Props;
  readonly initErrors?: readonly string[];
  /** Set on the old one of a replacement until it is deleted. */
  readonly delete?: boolean;
}

/**
 * A stack of its own with a file backend, run by the real CLI with the plugins under test. The program is plain
 * JavaScript on the official SDKs. PULUMI_BIN names the CLI; without it, PATH does.
 */
export class Stack {
  private readonly dir = mkdtempSync(path.join(tmpdir(), "conformance-stack-"));
  private readonly env: NodeJS.ProcessEnv;

  constructor() {
    const home = path.join(this.dir, "home");
    for (const sub of ["home", "state", "program"]) {
      mkdirSync(path.join(this.dir, sub));
    }
    // A home of our own around the plugins under test, so that the CLI's own files do not land beside them.
    symlinkSync(path.join(pulumiHome(), "plugins"), path.join(home, "plugins"));
    symlinkSync(path.join(projectRoot, "node_modules"), path.join(this.program, "node_modules"));
    this.env = cleanEnv({
      PATH: [path.join(pulumiHome(), "bin"), process.env.PATH].join(path.delimiter),
      PULUMI_HOME: home,
      PULUMI_BACKEND_URL: `file://${path.join(this.dir, "state")}`,
      PULUMI_CONFIG_PASSPHRASE: "conformance",
      PULUMI_SKIP_UPDATE_CHECK: "true",
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
    });
    writeFileSync(
      path.join(this.program, "Pulumi.yaml"),
      "name: conformance\nruntime: { name: nodejs, options: { typescript: false } }\nmain: index.js\n",
    );
    writeFileSync(path.join(this.program, "package.json"), '{ "name": "conformance", "main": "index.js" }\n');
  }

  private get program(): string {
    return path.join(this.dir, "program");
  }

  /** Makes the stack with an empty program. */
  async init(): Promise<void> {
    this.write("");
    await this.succeed("stack", "init", "test");
  }

  /** Sets the program: the body of a script where `pulumi`, `docker`, `command`, `random` are the SDKs. */
  write(body: string): void {
    const sdk = (name: string, module: string): string => `const ${name} = require("${module}");\n`;
    writeFileSync(
      path.join(this.program, "index.js"),
      sdk("pulumi", "@pulumi/pulumi") +
        // Each SDK takes a while to load: only those that are named.
        ["docker", "command", "random", "vault", "postgresql"]
          .filter((name) => body.includes(`${name}.`))
          .map((name) => sdk(name, `@pulumi/${name}`))
          .join("") +
        body,
    );
  }

  /** Runs the CLI, whatever comes of it. */
  async run(...args: string[]): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      execFile(
        process.env.PULUMI_BIN ?? "pulumi",
        [...args, "--non-interactive", "--color=never"],
        { cwd: this.program, env: this.env, timeout: COMMAND_TIMEOUT_MS, maxBuffer: 32 * 1024 * 1024 },
        (error, stdout, stderr) => {
          if (error !== null && typeof error.code !== "number") {
            reject(new Error(`the Pulumi CLI did not run (PULUMI_BIN or PATH): ${error.message}`, { cause: error }));
          } else {
            resolve({ code: Number(error?.code ?? 0), output: stdout + stderr });
          }
        },
      );
    });
  }

  /** Runs the CLI; throws with what it wrote when it fails. */
  async succeed(...args: string[]): Promise<string> {
    const { code, output } = await this.run(...args);
    if (code !== 0) {
      throw new Error(`pulumi ${args.join(" ")} ended with ${code}:\n${output}`);
    }
    return output;
  }

  /** `up` of the given program; answers what the CLI wrote. */
  async up(body: string): Promise<string> {
    this.write(body);
    return this.succeed("up", "--yes", "--skip-preview");
  }

  /** `up` of a program that has to fail. */
  async upFails(body: string): Promise<string> {
    this.write(body);
    const { code, output } = await this.run("up", "--yes", "--skip-preview");
    if (code === 0) {
      throw new Error(`up succeeded:\n${output}`);
    }
    return output;
  }

  /** The resources of one type in the saved state. */
  async saved(type: string): Promise<SavedResource[]> {
    return this.parse(await this.exported()).filter((r) => r.type === type);
  }

  async exported(...args: string[]): Promise<string> {
    const file = path.join(this.dir, "export.json");
    await this.succeed("stack", "export", "--file", file, ...args);
    const { readFile } = await import("node:fs/promises");
    return readFile(file, "utf8");
  }

  private parse(text: string): SavedResource[] {
    return (JSON.parse(text) as { deployment: { resources?: SavedResource[] } }).deployment.resources ?? [];
  }

  /** Destroys what the stack holds and removes every trace of it. */
  async close(): Promise<void> {
    try {
      await this.succeed("destroy", "--yes", "--skip-preview");
    } finally {
      rmSync(this.dir, { recursive: true, force: true });
    }
  }
}
