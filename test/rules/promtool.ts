import { execFile } from "node:child_process";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Local tag of the sandbox's image of Prometheus, whatever its pin. */
const IMAGE = "audit-sandbox/prometheus";

/** The command that starts promtool, without its arguments; the directory's files are in the working directory. */
type Starter = (directory: string) => [command: string, ...args: string[]];

let starter: Promise<Starter> | undefined;

/**
 * promtool on the PATH, or in the sandbox's image of Prometheus, the version that will read the rules.
 *
 * @throws Error if there is neither: a test that needs it must fail, not be skipped
 */
async function findPromtool(): Promise<Starter> {
  const onPath = await run("promtool", ["--version"]).then(
    () => true,
    () => false,
  );
  if (onPath) return (directory) => ["env", "-C", directory, "promtool"];
  const listing = await run("docker", ["image", "ls", "--format", "{{.Repository}}:{{.Tag}}", IMAGE]).catch(
    () => undefined,
  );
  const image = listing?.stdout.split("\n")[0];
  if (!image) {
    throw new Error(
      `There is neither promtool on the PATH nor a Docker image ${IMAGE}: run \`make up\`, or install Prometheus.`,
    );
  }
  return (directory) => [
    "docker",
    "run",
    "--rm",
    "--network=none",
    `--volume=${directory}:/work:ro`,
    "--workdir=/work",
    "--entrypoint=promtool",
    image,
  ];
}

/**
 * Runs promtool on files that exist only for this call.
 *
 * @param args arguments; files are named as in `files`
 * @returns its output, standard output before standard error
 * @throws Error with the output if it exits non-zero
 */
export async function promtool(args: readonly string[], files: Readonly<Record<string, string>>): Promise<string> {
  const start = await (starter ??= findPromtool());
  const directory = await mkdtemp(join(tmpdir(), "promtool-"));
  try {
    // The image runs as its own user, who must be able to read the mounted files.
    await chmod(directory, 0o755);
    for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text);
    const [command, ...before] = start(directory);
    const { stdout, stderr } = await run(command, [...before, ...args]);
    return stdout + stderr;
  } catch (error) {
    const { stdout = "", stderr = "", message } = error as { stdout?: string; stderr?: string; message: string };
    throw new Error(`promtool ${args.join(" ")} failed:\n${stdout + stderr || message}`, { cause: error });
  } finally {
    await rm(directory, { recursive: true });
  }
}
