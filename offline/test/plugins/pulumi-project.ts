import { existsSync, readdirSync } from "node:fs";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { spawn, type ChildProcess } from "node:child_process";
import { cacheDir, rootDir } from "../../lib/paths.js";
import { versions } from "../../lib/versions.js";
import { installPlugins } from "../../plugins/install.js";

/** The CLI that the sandbox made, or the one on PATH. */
function findCli(): string {
  const tools = join(cacheDir(), "tools");
  const built = existsSync(tools) ? readdirSync(tools) : [];
  const candidates = [
    ...(process.env.PULUMI_BIN ? [process.env.PULUMI_BIN] : []),
    ...built
      .filter((name) => name.startsWith(`pulumi-${versions().tools.pulumi}-`))
      .map((name) => join(tools, name, "pulumi")),
    ...(process.env.PATH ?? "").split(delimiter).map((directory) => join(directory, "pulumi")),
  ];
  const found = candidates.find((path) => existsSync(path));
  if (!found) throw new Error("there is no pulumi: run make up first, or set PULUMI_BIN");
  return found;
}

export interface Ended {
  readonly code: number | null;
  /** stdout and stderr as they came. */
  readonly output: string;
}

/** A Pulumi program of its own, its state in files, run by the real CLI with the stand-ins. */
export class PulumiProject {
  private constructor(
    readonly directory: string,
    private readonly cli: string,
    private readonly pulumiHome: string,
  ) {}

  /** @param program - the text of index.ts, run by tsx; it may use the SDKs of this repository */
  static async make(program: string): Promise<PulumiProject> {
    const directory = await mkdtemp(join(tmpdir(), "pulumi-project-"));
    const project = new PulumiProject(directory, findCli(), join(directory, "home"));
    await installPlugins(project.pulumiHome);
    await mkdir(join(directory, "state"));
    await symlink(join(rootDir, "node_modules"), join(directory, "node_modules"));
    await writeFile(join(directory, "package.json"), '{ "name": "program", "main": "index.ts" }');
    const options = { typescript: false, nodeargs: "--import tsx" };
    await writeFile(
      join(directory, "Pulumi.yaml"),
      JSON.stringify({ name: "program", main: "index.ts", runtime: { name: "nodejs", options } }),
    );
    await writeFile(join(directory, "index.ts"), program);
    await project.run("stack", "init", "dev");
    return project;
  }

  /** The CLI, started; its output is collected in `ended`. */
  start(...args: string[]): { child: ChildProcess; ended: Promise<Ended>; output: () => string } {
    const child = spawn(this.cli, [...args, "--non-interactive", "--color", "never"], {
      cwd: this.directory,
      env: {
        PATH: process.env.PATH,
        HOME: this.directory,
        PULUMI_HOME: this.pulumiHome,
        PULUMI_BACKEND_URL: `file://${join(this.directory, "state")}`,
        PULUMI_CONFIG_PASSPHRASE: "for a test",
        PULUMI_SKIP_UPDATE_CHECK: "true",
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    const collect = (data: Buffer) => {
      output += data.toString();
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    const ended = new Promise<Ended>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code) => {
        resolve({ code, output });
      });
    });
    return { child, ended, output: () => output };
  }

  /** @throws Error with the output when the CLI fails */
  async run(...args: string[]): Promise<string> {
    const { code, output } = await this.start(...args).ended;
    if (code !== 0) throw new Error(`pulumi ${args.join(" ")} ended with ${code ?? "a signal"}:\n${output}`);
    return output;
  }

  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
  }
}
