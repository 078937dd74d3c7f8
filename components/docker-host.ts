import * as command from "@pulumi/command";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { commandLine } from "./shell";

export interface DockerHostArgs {
  /** `ssh://user@host[:port]`, or `unix:///path` of an engine on this machine. */
  address: string;
  /** Extra options for `ssh`, for example `["-F", "ssh/config"]`; default none. Host keys are always checked. */
  sshOptions?: readonly string[];
  /** Image with `sh` and `wget` for one-shots that read and write volumes; by digest where the host pulls it. */
  tools: string;
  /** Login for pulling images; default anonymous. */
  registry?: { server: string; username: string; password: pulumi.Input<string> };
}

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
}

/**
 * A machine with a Docker Engine: the provider for its containers, and a way to run a shell line on it.
 *
 * @example
 * const vm = new DockerHost("vm", { address: "ssh://deploy@vm2.example.com", tools: "registry/vault@sha256:..." });
 * new docker.Container("hello", { image: "..." }, { provider: vm.provider });
 */
export class DockerHost extends pulumi.ComponentResource {
  readonly provider: docker.Provider;
  /** Reference of the image for one-shots; present on the host before any script runs. */
  readonly tools: string;
  readonly #toolsImage: docker.RemoteImage;
  readonly #shell: string;

  constructor(name: string, args: DockerHostArgs, opts?: pulumi.ComponentResourceOptions) {
    super("audit:index:DockerHost", name, {}, opts);
    this.#shell = remoteShell(args.address, args.sshOptions ?? []);
    this.provider = new docker.Provider(
      name,
      {
        host: args.address,
        sshOpts: args.address.startsWith("ssh://") ? [...strictSsh, ...(args.sshOptions ?? [])] : undefined,
        registryAuth:
          args.registry === undefined
            ? undefined
            : [
                {
                  address: args.registry.server,
                  username: args.registry.username,
                  // The SDK does not mark it; without this it would stand in the state in plain text.
                  password: pulumi.secret(args.registry.password),
                },
              ],
      },
      { parent: this },
    );
    this.tools = args.tools;
    this.#toolsImage = this.image(`${name}-tools`, args.tools, { parent: this });
    this.registerOutputs({});
  }

  /** An image pulled to this host, unless it is there already; kept when the resource is removed. */
  image(name: string, reference: string, opts: pulumi.CustomResourceOptions): docker.RemoteImage {
    return new docker.RemoteImage(name, { name: reference, keepLocally: true }, { ...opts, provider: this.provider });
  }

  /** The local shell line that runs a shell line on this host. */
  commandFor(script: string): string {
    return `${this.#shell} ${commandLine([script])}`;
  }

  /** A script that runs on this host and is part of the stack: again when it changes, not otherwise. */
  script(name: string, args: ScriptArgs, opts: ScriptOptions): command.local.Command {
    const dependencies = opts.dependsOn ?? [];
    // The script goes by a variable: a failing command is shown by its text, and the script would drown its own message.
    return new command.local.Command(
      name,
      {
        create: `${this.#shell} "$AUDIT_SCRIPT"`,
        delete: args.onDelete === undefined ? undefined : `${this.#shell} "$AUDIT_DELETE_SCRIPT"`,
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
      { ...opts, dependsOn: [this.#toolsImage, ...dependencies] },
    );
  }
}

/** Unknown host keys are refused and nothing is asked: the program has nobody at its keyboard. */
const strictSsh: readonly string[] = [
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
  const url = new URL(address);
  const port = url.port === "" ? [] : ["-p", url.port];
  // An existing shared connection may be used, a new one not be left behind: it would keep the script's output open, and
  // whoever waits for the end of that output would wait for the connection's end.
  const options = [...strictSsh, "-o", "ControlMaster=no", ...sshOptions, ...port];
  return commandLine(["ssh", ...options, "--", `${url.username}@${url.hostname}`]);
}
