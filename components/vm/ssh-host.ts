import type * as command from "@pulumi/command";
import { DockerHost } from "./docker-host";
import { hostScript, type ScriptArgs, type ScriptOptions } from "./host-script";
import { remoteShell } from "../../lib/remote-shell";

export interface SshHostArgs {
  /** `ssh://user@host[:port]`; `unix://…` for this machine. */
  address: string;
  /** Extra options for `ssh`; default none. Host keys are always checked. */
  sshOptions?: readonly string[];
}

/**
 * A machine that needs only a login with a shell, no Docker. It is not a resource.
 *
 * @example
 * const host = new SshHost({ address: "ssh://deploy@prometheus.example.com" });
 * host.script("hello", { script: "uptime" }, { parent: vm });
 */
export class SshHost {
  readonly #shell: string;

  constructor(args: SshHostArgs) {
    this.#shell = remoteShell(args.address, args.sshOptions ?? []);
  }

  /** A script on this host as a resource: it runs again only when it changes. */
  script(name: string, args: ScriptArgs, opts: ScriptOptions): command.local.Command {
    return hostScript(name, this.#shell, args, opts);
  }
}

export interface FilesHostArgs extends SshHostArgs {
  /** Image with a shell; default: the machine's own shell writes the files. */
  tools?: string;
}

/**
 * A machine to write files to: through its Docker Engine if an image with a shell is given, otherwise by its own shell.
 * @returns undefined without arguments
 */
export function filesHost(name: string, args: FilesHostArgs | undefined): DockerHost | SshHost | undefined {
  if (args === undefined) return undefined;
  const { tools, ...ssh } = args;
  return tools === undefined ? new SshHost(ssh) : new DockerHost(name, { ...ssh, tools });
}
