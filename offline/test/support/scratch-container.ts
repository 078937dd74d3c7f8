import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";

/**
 * The image that tests use for a part of the platform: `AUDIT_TEST_<PART>_IMAGE`, else the newest `audit-sandbox/<part>`
 * on this machine, as `make up` builds or tags it.
 */
export async function platformImage(part: string): Promise<string> {
  const variable = `AUDIT_TEST_${part.toUpperCase()}_IMAGE`;
  const given = process.env[variable];
  if (given !== undefined && given !== "") return given;
  const { stdout } = await execa("docker", [
    "image",
    "ls",
    "--format",
    "{{.Repository}}:{{.Tag}}",
    `audit-sandbox/${part}`,
  ]);
  const newest = stdout.split("\n")[0] ?? "";
  if (newest === "") {
    throw new Error(`no image audit-sandbox/${part} on this machine: run "make up" first, or name one in ${variable}`);
  }
  return newest;
}

/** A container for one test file, with its ports on free ports of 127.0.0.1. */
export class ScratchContainer {
  private constructor(
    readonly name: string,
    private readonly ports: ReadonlyMap<number, number>,
  ) {}

  /** Starts `image`; `env` never holds a real secret. `args` are further ones for `docker run`, `command` what runs inside. */
  static async start(
    image: string,
    options: {
      readonly ports: readonly number[];
      readonly env?: Readonly<Record<string, string>>;
      readonly args?: readonly string[];
      readonly command?: readonly string[];
    },
  ): Promise<ScratchContainer> {
    const name = `audit-scratch-${randomBytes(5).toString("hex")}`;
    const env = Object.entries(options.env ?? {}).flatMap(([key, value]) => ["-e", `${key}=${value}`]);
    const publish = options.ports.flatMap((port) => ["-p", `127.0.0.1::${port}`]);
    await execa("docker", [
      "run",
      "-d",
      "--name",
      name,
      ...publish,
      ...env,
      ...(options.args ?? []),
      image,
      ...(options.command ?? []),
    ]);
    const ports = new Map<number, number>();
    for (const port of options.ports) {
      const { stdout } = await execa("docker", ["port", name, `${port}/tcp`]);
      ports.set(port, Number(/:(\d+)$/m.exec(stdout)?.[1]));
    }
    return new ScratchContainer(name, ports);
  }

  /** The port of 127.0.0.1 that leads to `inside`. */
  port(inside: number): number {
    const port = this.ports.get(inside);
    if (port === undefined) throw new Error(`port ${inside} of ${this.name} is not published`);
    return port;
  }

  /** Repeats `attempt` until it does not throw; after `seconds`, fails with its last error and the container's last lines. */
  async until<T>(what: string, attempt: () => Promise<T>, seconds = 60): Promise<T> {
    const deadline = Date.now() + seconds * 1000;
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        if (Date.now() > deadline) {
          const logs = await execa("docker", ["logs", "--tail", "50", this.name], { all: true, reject: false });
          throw new Error(`${what} in ${this.name} after ${seconds} s: ${String(error)}\n${logs.all}`, {
            cause: error,
          });
        }
        await sleep(300);
      }
    }
  }

  async remove(): Promise<void> {
    await execa("docker", ["rm", "-f", "-v", this.name]);
  }
}
