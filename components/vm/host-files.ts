import * as pulumi from "@pulumi/pulumi";
import type * as command from "@pulumi/command";
import type { DockerHost } from "./docker-host";
import { scriptWords } from "../host/script-file";
import { commandLine, dockerRun, quote } from "../../lib/shell";
import { SshHost } from "./ssh-host";
import { UserError } from "../../lib/user-error";

export interface HostFilesArgs {
  /** With Docker, or with only a shell; in that case the target is a directory that the login may write to. */
  host: DockerHost | SshHost;
  /** Docker volume or absolute directory on the host that receives the files. */
  target: string;
  /** Allow the target to change in a later run: the files are then removed from the old one first. Default false. */
  movable?: boolean;
  /** Image on the host with `sh`, used to write and check the files; default: the host's tools. Not for an SshHost. */
  image?: string;
  /** File name within the target to its text. Only these files are touched. */
  files: Readonly<Record<string, pulumi.Input<string>>>;
  /** Octal mode of the files; default "0444". */
  mode?: string;
  /**
   * Words of a command that checks the new files before they are moved into place. It runs inside the image, with the
   * new files in the current directory; if it fails, the old files stay. Default: no check.
   */
  check?: readonly string[];
  /** What must exist first, for example the volume. */
  dependsOn?: readonly pulumi.Resource[];
  /** Shell line run on the host afterwards, for example to signal a process. If it fails, the old files are put back. */
  then?: string;
  /** Shell line run on the host after the files have been removed. */
  thenOnDelete?: string;
}

const FIELD = "-----next-file-----";

/**
 * Keeps text files in a Docker volume or a directory of a host. It uses volumes rather than `uploads`, because uploads
 * do not work with a read-only container and replace it at every change.
 *
 * The files are checked first, then moved into place one by one with `mv`, so that a reader never sees a partial file.
 * Their text must not be secret: it is on the host in plain text.
 *
 * @example
 * new HostFiles("rules", {
 *   host: new SshHost({ address: "ssh://deploy@prometheus.example.com" }),
 *   target: "/etc/prometheus/rules",
 *   files: { "mine.yml": "groups: []" },
 *   then: "systemctl reload prometheus",
 * });
 */
export class HostFiles extends pulumi.ComponentResource {
  readonly written: command.local.Command;

  constructor(name: string, args: HostFilesArgs, opts?: pulumi.ComponentResourceOptions) {
    super("audit:index:HostFiles", name, {}, opts);
    const names = Object.keys(args.files).sort();
    for (const file of names) {
      if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(file))
        throw new UserError(`HostFiles ${name}: file name ${quote(file)} is not a plain name`);
    }
    const { directory, line } = place(args);
    const check = args.check === undefined ? [] : ["--", ...args.check];
    const write = line(scriptWords("write-files.sh", [directory, args.mode ?? "0444", ...names, ...check]), true);
    const restore = line(scriptWords("restore-files.sh", [directory, ...names]), false);
    const remove = line(scriptWords("remove-files.sh", [directory, ...names]), false);
    this.written = args.host.script(
      `${name}-files`,
      {
        script: inTurn(["set -e", write, ...(args.then === undefined ? [] : [onFailure(restore), args.then])]),
        onDelete: inTurn([remove, args.thenOnDelete]),
        stdin: pulumi.all(names.map((file) => args.files[file] ?? "")).apply((texts) => joinFiles(names, texts)),
        triggers: args.movable === true ? [args.target] : undefined,
      },
      { parent: this, dependsOn: args.dependsOn, deleteBeforeReplace: args.movable === true ? true : undefined },
    );
    this.registerOutputs({});
  }
}

/**
 * The line of a script that has the files put back if a later line fails: Pulumi's state still holds the old ones then,
 * so that a later run which wants them would not write them.
 */
const onFailure = (restore: string): string =>
  `restore() {\n${restore}\n}\ntrap 'code=$?; [ "$code" = 0 ] || restore; exit "$code"' EXIT`;

const inTurn = (lines: readonly (string | undefined)[]): string =>
  lines.filter((line) => line !== undefined).join("\n");

/** The files' directory as the scripts see it, and a function for the shell line that runs a script there. */
function place({ host, target, image }: HostFilesArgs): {
  directory: string;
  line: (words: readonly string[], interactive: boolean) => string;
} {
  if (host instanceof SshHost) {
    if (!/^\/[A-Za-z0-9_./-]+$/.test(target))
      throw new UserError(`HostFiles: without Docker the target must be an absolute directory, not ${quote(target)}`);
    return { directory: target, line: commandLine };
  }
  const directory = "/files";
  return {
    directory,
    line: ([entrypoint, ...command], interactive) =>
      dockerRun({
        image: image ?? host.tools,
        entrypoint,
        interactive,
        volumes: [`${target}:${directory}`],
        command,
      }),
  };
}

/** One stream for all files: for each, a line that names it, then its text; last a line that ends the stream. */
export function joinFiles(names: readonly string[], texts: readonly string[]): string {
  const files = names.map((file, i) => {
    const text = texts[i] ?? "";
    return `${FIELD}${file}\n${text.endsWith("\n") ? text : `${text}\n`}`;
  });
  return `${files.join("")}${FIELD}\n`;
}
