import { BACKGROUND_SHARES } from "./cpu-weight";

/**
 * Command lines for the virtual machine, as pure functions: what runs there is plain `sh` and `docker`, so that a VM needs
 * nothing but Docker and sshd, and a reader can run the same line by hand. Whatever is more than one command is a file of
 * components/host.
 */

/** Quotes one word for POSIX `sh`, also across one `ssh` hop, which joins its arguments with blanks. */
export function quote(word: string): string {
  return /^[A-Za-z0-9_./:=@,+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Joins words to a command line, each quoted. */
export function commandLine(words: readonly string[]): string {
  return words.map(quote).join(" ");
}

export interface DockerRun {
  image: string;
  /** Name of the container; default one that Docker makes up. */
  name?: string;
  /** Program to run instead of the image's entry point. */
  entrypoint?: string;
  command: readonly string[];
  /** Docker network; default `none`: most one-shots only touch files. */
  network?: string;
  /** `host port:container port`. */
  publish?: readonly string[];
  /** `source:target[:ro]`, source being a volume or an absolute path. */
  volumes?: readonly string[];
  /** Numeric `uid:gid`; default root without capabilities, because fresh Docker volumes belong to root. */
  user?: string;
  /** Further numeric groups of the user. */
  groups?: readonly string[];
  /** Environment, never secrets: `docker inspect` shows it. */
  environment?: Readonly<Record<string, string>>;
  /** Give it our standard input. */
  interactive?: boolean;
  capabilities?: readonly string[];
}

/**
 * A `docker run` of a one-shot container with the restrictions that every container of this project has: no
 * capabilities, no new privileges, read-only root, bounded memory and processes, removed at its end. It gives way to what serves.
 */
export function dockerRun(run: DockerRun): string {
  return commandLine(dockerRunWords(run));
}

/** The words of {@link dockerRun}. */
export function dockerRunWords(run: DockerRun): string[] {
  const words = ["docker", "run", "--rm", "--pull", "never", "--network", run.network ?? "none"];
  if (run.name !== undefined) words.push("--name", run.name);
  if (run.interactive) words.push("--interactive");
  words.push("--read-only", "--tmpfs", "/tmp:rw,noexec,nosuid,size=16m", "--cap-drop", "ALL");
  for (const capability of run.capabilities ?? []) words.push("--cap-add", capability);
  words.push(
    "--security-opt",
    "no-new-privileges",
    "--memory",
    "256m",
    "--pids-limit",
    "128",
    "--cpu-shares",
    String(BACKGROUND_SHARES),
  );
  words.push("--log-driver", "none", "--user", run.user ?? "0:0");
  for (const group of run.groups ?? []) words.push("--group-add", group);
  for (const ports of run.publish ?? []) words.push("--publish", ports);
  for (const volume of run.volumes ?? []) words.push("--volume", volume);
  for (const [key, value] of Object.entries(run.environment ?? {})) words.push("--env", `${key}=${value}`);
  if (run.entrypoint !== undefined) words.push("--entrypoint", run.entrypoint);
  return [...words, run.image, ...run.command];
}
