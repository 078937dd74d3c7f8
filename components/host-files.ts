import * as pulumi from "@pulumi/pulumi";
import type * as command from "@pulumi/command";
import type { DockerHost } from "./docker-host";
import { dockerRun, quote } from "./shell";
import { SshHost } from "./ssh-host";

export interface HostFilesArgs {
  /** With Docker, or with a shell alone: then the target is a directory that the login may write to. */
  host: DockerHost | SshHost;
  /** Docker volume or absolute directory on the host that receives the files. */
  target: string;
  /** The target may be another at a later run: the files are then taken away from the old one first. Default false. */
  movable?: boolean;
  /** Image on the host with `sh`, by which the files are written and checked; default the host's tools. Not for an SshHost. */
  image?: string;
  /** File name within the target to its text. Only these files are touched. */
  files: Readonly<Record<string, pulumi.Input<string>>>;
  /** Octal mode of the files; default "0444". */
  mode?: string;
  /**
   * Shell text run inside the image before the new files take their places, with the candidates in the current
   * directory; when it fails, the old files stay. Default: nothing is checked.
   */
  check?: string;
  /** What must be done before, for example the volume. */
  after?: readonly pulumi.Resource[];
  /** Shell text run on the host afterwards, for example to signal a process. */
  then?: string;
  /** Shell text run on the host after the files have been taken away. */
  thenOnDelete?: string;
}

const FIELD = "-----next-file-----";

/**
 * Keeps text files in a Docker volume or a directory of a host. Volumes rather than `uploads`, because uploads do not go
 * together with a read-only container and replace it at every change.
 *
 * The files are checked before they take their places, and moved one by one with `mv`, so that a reader never sees half
 * of one. Their text must not be secret: it is on the host in plain.
 */
export class HostFiles extends pulumi.ComponentResource {
  readonly written: command.local.Command;

  constructor(name: string, args: HostFilesArgs, opts?: pulumi.ComponentResourceOptions) {
    super("audit:index:HostFiles", name, {}, opts);
    const names = Object.keys(args.files).sort();
    for (const file of names) {
      if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(file))
        throw new Error(`HostFiles ${name}: file name ${quote(file)} is not a plain name`);
    }
    const { directory, shell } = place(args);
    const write = shell(writeScript(names, { ...directory, mode: args.mode, check: args.check }), true);
    this.written = args.host.script(
      `${name}-files`,
      {
        script: `set -e; ${write}${after(args.then)}`,
        onDelete:
          shell(names.map((file) => `rm -f ${directory.target}/${file}`).join("; "), false) + after(args.thenOnDelete),
        stdin: pulumi.all(names.map((file) => args.files[file] ?? "")).apply((texts) => joinFiles(names, texts)),
        triggers: args.movable === true ? [args.target] : undefined,
      },
      { parent: this, dependsOn: args.after, deleteBeforeReplace: args.movable === true ? true : undefined },
    );
    this.registerOutputs({});
  }
}

const after = (script: string | undefined): string => (script === undefined ? "" : `; ${script}`);

/** Where the scripts find the files' directory, and what runs them there. */
function place({ host, target, image }: HostFilesArgs): {
  directory: { target: string; scratch: string };
  shell: (script: string, interactive: boolean) => string;
} {
  if (host instanceof SshHost) {
    if (!/^\/[A-Za-z0-9_./-]+$/.test(target))
      throw new Error(`HostFiles: without Docker the target must be an absolute directory, not ${quote(target)}`);
    return { directory: { target, scratch: "$(mktemp -d)" }, shell: (script) => `sh -c ${quote(script)}` };
  }
  return {
    directory: { target: "/files", scratch: "/tmp/new" },
    shell: (script, interactive) =>
      dockerRun({
        image: image ?? host.tools,
        entrypoint: "sh",
        interactive,
        volumes: [`${target}:/files`],
        command: ["-c", script],
      }),
  };
}

/** One stream for all files: a line that names the file, its text, and so on. */
export function joinFiles(names: readonly string[], texts: readonly string[]): string {
  return names
    .map((file, i) => {
      const text = texts[i] ?? "";
      return `${FIELD}${file}\n${text.endsWith("\n") ? text : `${text}\n`}`;
    })
    .join("");
}

export interface WriteOptions {
  /** Directory that receives the files. Default `/files`. */
  target?: string;
  /** Directory for the candidates, as the shell writes it; it is removed in the end. Default `/tmp/new`. */
  scratch?: string;
  /** Default `0444`. */
  mode?: string;
  /** See {@link HostFilesArgs.check}. */
  check?: string;
}

/** Shell text that takes the stream of {@link joinFiles} apart, checks the candidates, and moves them to the target. */
export function writeScript(names: readonly string[], options: WriteOptions = {}): string {
  const { target = "/files", scratch = "/tmp/new", mode = "0444", check } = options;
  return [
    "set -e",
    `new=${scratch}`,
    `trap 'rm -rf "$new"' EXIT`,
    'mkdir -p "$new"',
    "out=",
    `while IFS= read -r line || [ -n "$line" ]; do case "$line" in ${FIELD}*) out="$new/\${line#${FIELD}}"; : > "$out" ;; *) printf '%s\\n' "$line" >> "$out" ;; esac; done`,
    ...(check === undefined ? [] : [`(cd "$new" && ${check})`]),
    ...names.flatMap((file) => [
      `cp "$new/${file}" ${target}/.${file}.new`,
      `chmod ${mode} ${target}/.${file}.new`,
      `mv ${target}/.${file}.new ${target}/${file}`,
    ]),
  ].join("; ");
}
