import type * as command from "@pulumi/command";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { removesOrphans } from "./orphans";
import { MissingResources, type Left, type Recreated } from "./missing-resources";
import { hostScript, type ScriptArgs, type ScriptOptions } from "./host-script";
import { remoteShell, strictSsh } from "../../lib/remote-shell";
import { trustedRegistryScript } from "./preflight";
import { commandLine } from "../../lib/shell";

export interface DockerHostArgs {
  /** `ssh://user@host[:port]`, or `unix:///path` of an engine on this machine. */
  address: string;
  /** Extra options for `ssh`, for example `["-F", "ssh/config"]`; default none. Host keys are always checked. */
  sshOptions?: readonly string[];
  /** Image with `sh` and `wget` for one-shots that read and write volumes; by digest where the host pulls it. */
  tools: string;
  /** Login for pulling images; default anonymous. */
  registry?: { server: string; username: string; password: pulumi.Input<string> };
  /**
   * {@link DockerHost.recreated} of the last run; undefined until one has completed. So that it is, the program holds
   * its output until everything exists: `heldUntil([container], vm.recreated)`.
   */
  recreated?: Recreated;
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
  readonly #hooks: pulumi.ResourceHookBinding;
  readonly #missing: MissingResources;
  readonly #toolsImage: docker.RemoteImage;
  readonly #shell: string;
  readonly #name: string;
  readonly #registries = new Map<string, pulumi.Resource>();

  constructor(name: string, args: DockerHostArgs, opts?: pulumi.ComponentResourceOptions) {
    super("audit:index:DockerHost", name, {}, opts);
    this.#name = name;
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
                  // The SDK does not mark it as secret; without this it would be in the state in plain text.
                  password: pulumi.secret(args.registry.password),
                },
              ],
      },
      { parent: this },
    );
    this.#hooks = removesOrphans(name, this.#shell);
    this.#missing = new MissingResources(this.#shell, args.recreated);
    this.tools = args.tools;
    this.#toolsImage = this.image(`${name}-tools`, args.tools, { parent: this });
    this.registerOutputs({});
  }

  /**
   * Options of a container or network whose name is fixed here: what it replaces is removed first, and so is an
   * orphan of that name. It is recreated when it is missing on the host or does not run there.
   *
   * @param left how the last run left it there; default "running", which holds for the containers that every deploy has
   */
  named(
    name: string,
    left: Left = "running",
  ): Pick<pulumi.CustomResourceOptions, "provider" | "hooks" | "deleteBeforeReplace" | "replacementTrigger"> {
    return {
      provider: this.provider,
      hooks: this.#hooks,
      deleteBeforeReplace: true,
      replacementTrigger: this.#missing.trigger(name, { [name]: left }),
    };
  }

  /** `replacementTrigger` of a script that starts these containers: it runs again when one of them does not run. */
  starting(script: string, containers: readonly string[]): Promise<number> | undefined {
    return this.#missing.trigger(script, Object.fromEntries(containers.map((name) => [name, "running"])));
  }

  /** What was recreated, and how often; a stack output, and `recreated` of the next run. */
  get recreated(): pulumi.Output<Recreated> {
    return this.#missing.recreated;
  }

  /** An image pulled to this host unless it is present already; kept when the resource is deleted. */
  image(
    name: string,
    reference: string,
    opts: { parent: pulumi.Resource; dependsOn?: readonly pulumi.Resource[] },
  ): docker.RemoteImage {
    const dependsOn = [this.#trusted(reference), ...(opts.dependsOn ?? [])];
    return new docker.RemoteImage(
      name,
      { name: reference, keepLocally: true },
      { ...opts, provider: this.provider, dependsOn },
    );
  }

  /** Done once the host is known to trust the registry's certificate; one resource per registry. */
  #trusted(reference: string): pulumi.Resource {
    const registry = reference.slice(0, Math.max(0, reference.indexOf("/")));
    const known = this.#registries.get(registry);
    if (known !== undefined) return known;
    const name = this.#registries.size === 0 ? `${this.#name}-registry` : `${this.#name}-registry-${registry}`;
    const trusted = hostScript(name, this.#shell, { script: trustedRegistryScript(reference) }, { parent: this });
    this.#registries.set(registry, trusted);
    return trusted;
  }

  /** The local shell line that runs a shell line on this host. */
  commandFor(script: string): string {
    return `${this.#shell} ${commandLine([script])}`;
  }

  /** A script on this host as a resource: it runs again only when it changes. */
  script(name: string, args: ScriptArgs, opts: ScriptOptions): command.local.Command {
    const dependsOn = [this.#toolsImage, ...(opts.dependsOn ?? [])];
    return hostScript(name, this.#shell, args, { ...opts, dependsOn });
  }
}
