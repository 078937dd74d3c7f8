import * as pulumi from "@pulumi/pulumi";
import type * as command from "@pulumi/command";
import type { DockerHost } from "./docker-host";
import { dockerRun, quote } from "./shell";

export interface HostFilesArgs {
  host: DockerHost;
  /** Docker volume or absolute directory on the host that receives the files. */
  target: string;
  /** Image on the host with `sh`, by which the files are written and checked; default the host's tools. */
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
    const image = args.image ?? args.host.tools;
    const names = Object.keys(args.files).sort();
    for (const file of names) {
      if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(file))
        throw new Error(`HostFiles ${name}: file name ${quote(file)} is not a plain name`);
    }
    const write = dockerRun({
      image,
      entrypoint: "sh",
      interactive: true,
      volumes: [`${args.target}:/files`],
      command: ["-c", writeScript(names, args.mode ?? "0444", args.check)],
    });
    this.written = args.host.script(
      `${name}-files`,
      {
        script: `set -e; ${write}${args.then === undefined ? "" : `; ${args.then}`}`,
        onDelete: dockerRun({
          image,
          entrypoint: "sh",
          volumes: [`${args.target}:/files`],
          command: ["-c", names.map((file) => `rm -f /files/${file}`).join("; ")],
        }),
        stdin: pulumi.all(names.map((file) => args.files[file] ?? "")).apply((texts) => joinFiles(names, texts)),
      },
      { parent: this, dependsOn: args.after },
    );
    this.registerOutputs({});
  }
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

/** Shell text that takes the stream of {@link joinFiles} apart, checks the candidates, and moves them to `/files`. */
export function writeScript(names: readonly string[], mode: string, check: string | undefined): string {
  return [
    "set -e",
    "mkdir -p /tmp/new",
    "out=",
    `while IFS= read -r line || [ -n "$line" ]; do case "$line" in ${FIELD}*) out="/tmp/new/\${line#${FIELD}}"; : > "$out" ;; *) printf '%s\\n' "$line" >> "$out" ;; esac; done`,
    ...(check === undefined ? [] : [`(cd /tmp/new && ${check})`]),
    ...names.flatMap((file) => [
      `cp /tmp/new/${file} /files/.${file}.new`,
      `chmod ${mode} /files/.${file}.new`,
      `mv /files/.${file}.new /files/${file}`,
    ]),
  ].join("; ");
}
