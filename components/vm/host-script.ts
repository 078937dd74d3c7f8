import * as command from "@pulumi/command";
import type * as pulumi from "@pulumi/pulumi";

export interface ScriptArgs {
  /** Shell text run on the host: once at first, and again whenever it or `stdin` changes. */
  script: pulumi.Input<string>;
  /** Shell text run on the host when the resource is deleted. */
  onDelete?: string;
  /** Standard input of the script. It may be secret: it is kept encrypted and never printed. */
  stdin?: pulumi.Input<string>;
  /** The script runs again, as a replacement, when one of these changes. */
  triggers?: pulumi.Input<unknown>[];
  /** Show the script's output. Default: only its errors, or nothing if `stdin` is given. */
  verbose?: boolean;
}

export interface ScriptOptions {
  parent: pulumi.Resource;
  /** What must be done first. */
  dependsOn?: readonly pulumi.Resource[];
  /** Resource option: properties whose changes are ignored. */
  ignoreChanges?: string[];
  /** Resource option: delete it before creating its replacement. */
  deleteBeforeReplace?: boolean;
  /** Resource option: when this changes, the script runs again, as a replacement. */
  replacementTrigger?: Promise<number>;
  /** Resource option: its former names. */
  aliases?: pulumi.Alias[];
}

/** A script on a host as a resource; `shell` is what `remoteShell` gives. */
export function hostScript(name: string, shell: string, args: ScriptArgs, opts: ScriptOptions): command.local.Command {
  // The script is passed in a variable: Pulumi prints the text of a failing command, and a whole script would bury its
  // own error message.
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
