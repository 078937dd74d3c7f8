import * as command from "@pulumi/command";
import type * as pulumi from "@pulumi/pulumi";
import { sshTarget } from "../../lib/network-address";
import { commandLine } from "../../lib/shell";

export interface ScriptArgs {
  /** Shell text run on the host: `create` at first, and again whenever it or `stdin` changes. */
  script: pulumi.Input<string>;
  /** Shell text run on the host when the resource is removed. */
  onDelete?: string;
  /** Standard input of the script. It may be secret: it is kept encrypted and never printed. */
  stdin?: pulumi.Input<string>;
  /** The script runs again, as a replacement, when one of these changes. */
  triggers?: pulumi.Input<unknown>[];
  /** Print what the script prints. Default: its errors only; nothing when `stdin` is given. */
  verbose?: boolean;
}

export interface ScriptOptions {
  parent: pulumi.Resource;
  /** What must be done before. */
  dependsOn?: readonly pulumi.Resource[];
  /** As of any resource: properties whose changes are left alone. */
  ignoreChanges?: string[];
  /** As of any resource: what replaces it is made after it was removed. */
  deleteBeforeReplace?: boolean;
  /** As of any resource: it runs again, as a replacement, when this is another than before. */
  replacementTrigger?: Promise<number>;
  /** As of any resource: what it was called before. */
  aliases?: pulumi.Alias[];
}

/** A script on a host as a resource; `shell` is what {@link remoteShell} gives. */
export function hostScript(name: string, shell: string, args: ScriptArgs, opts: ScriptOptions): command.local.Command {
  // The script goes by a variable: a failing command is shown by its text, and the script would drown its own message.
  return new command.local.Command(
    name,
    {
      create: `${shell} "$AUDIT_SCRIPT"`,
      delete: args.onDelete === undefined ? undefined : `${shell} "$AUDIT_DELETE_SCRIPT"`,
      environment: {
        AUDIT_SCRIPT: args.script,
        ...(args.onDelete === undefined ? {} : { AUDIT_DELETE_SCRIPT: args.onDelete }),
      },
      stdin: args.stdin,
      triggers: args.triggers,
      logging: args.verbose
        ? command.types.enums.local.Logging.StdoutAndStderr
        : args.stdin === undefined
          ? command.types.enums.local.Logging.Stderr
          : command.types.enums.local.Logging.None,
    },
    { ...opts, dependsOn: [...(opts.dependsOn ?? [])] },
  );
}

/** Unknown host keys are refused and nothing is asked: the program has nobody at its keyboard. */
export const strictSsh: readonly string[] = [
  "-o",
  "StrictHostKeyChecking=yes",
  "-o",
  "BatchMode=yes",
  "-o",
  "ConnectTimeout=10",
];

/** The command before the script: `ssh ... sh -c` or, for an engine on this machine, `sh -c`. */
export function remoteShell(address: string, sshOptions: readonly string[]): string {
  if (address.startsWith("unix://")) {
    return commandLine(["env", `DOCKER_HOST=${address}`, "sh", "-c"]);
  }
  const { port, destination } = sshTarget(address);
  // An existing shared connection may be used, a new one not be left behind: it would keep the script's output open, and
  // whoever waits for the end of that output would wait for the connection's end.
  const options = [...strictSsh, "-o", "ControlMaster=no", ...sshOptions, ...port];
  return commandLine(["ssh", ...options, "--", destination]);
}
