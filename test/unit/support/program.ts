/**
 * Runs components against Pulumi's mocks and records every resource that is registered: its inputs, its options and its
 * place in the tree. A call that no test provided for throws.
 */
import * as pulumi from "@pulumi/pulumi";

/** A resource as it is registered with the engine. */
export interface Registered {
  urn: string;
  type: string;
  name: string;
  /** Inputs in plain; a secret is {@link Secret}. */
  inputs: Record<string, unknown>;
  parent: string;
  provider: string;
  dependsOn: string[];
  ignoreChanges: string[];
  deleteBeforeReplace: boolean;
  /** Names of the hooks that run before it is made. */
  beforeCreate: string[];
  /** If it changes, the engine replaces the resource; undefined for none. */
  replacementTrigger: unknown;
  protect: boolean;
  /** Id of the resource to import instead of creating it; empty for none. */
  importId: string;
  retainOnDelete: boolean;
  /** Parents that its aliases name. */
  formerParents: string[];
}

/** How a secret value arrives at the engine. */
export class Secret {
  constructor(readonly value: unknown) {}
}

const SIGNATURE = "4dabf18193072939515e22adb298388d";
const SECRET = "1b47061264138c4ac30d75fd1eb44270";

function unwrap(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(unwrap);
  if (value === null || typeof value !== "object") return value;
  const record = value as Record<string, unknown>;
  if (record[SIGNATURE] === SECRET) return new Secret(unwrap(record.value));
  return Object.fromEntries(Object.entries(record).map(([key, inner]) => [key, unwrap(inner)]));
}

/** Outputs that the real plugins compute, as far as the program reads them. */
function computed(args: pulumi.runtime.MockResourceArgs): Record<string, unknown> {
  const inputs = args.inputs as Record<string, unknown>;
  switch (args.type) {
    case "docker:index/remoteImage:RemoteImage":
      return { imageId: `sha256:id-of-${String(inputs.name)}` };
    case "random:index/randomPassword:RandomPassword":
      return { result: `password-of-${args.name}` };
    case "kubernetes:core/v1:ConfigMap":
    case "kubernetes:core/v1:Secret":
      return { metadata: { name: `${args.name}-made`, ...(inputs.metadata as object) } };
    case "vault:appRole/authBackendRole:AuthBackendRole":
      return { roleId: "role-id" };
    case "grafana:oss/dashboard:Dashboard":
      return { uid: (JSON.parse(inputs.configJson as string) as { uid: string }).uid };
    case "pulumi:pulumi:StackReference":
      return { name: args.name, outputs: {}, secretOutputNames: [] };
    default:
      return {};
  }
}

interface RegisterRequest {
  getType(): string;
  getName(): string;
  getParent(): string;
  getProvider(): string;
  getDependenciesList(): string[];
  getIgnorechangesList(): string[];
  getDeletebeforereplace(): boolean;
  getHooks(): { getBeforeCreateList(): string[] } | undefined;
  getReplacementTrigger(): { toJavaScript(): unknown } | undefined;
  getProtect(): boolean;
  getImportid(): string;
  getRetainondelete(): boolean;
  getAliasesList(): { getSpec(): { getParenturn(): string } | undefined }[];
}

type Register = (
  request: RegisterRequest,
  callback: (error: unknown, response: { getUrn(): string }) => void,
) => Promise<void>;

/** A function of a plugin that was called, with its inputs in plain; a secret is {@link Secret}. */
export interface Called {
  token: string;
  inputs: unknown;
}

/**
 * Runs `build` as a Pulumi program and waits for everything it registers.
 *
 * @param outputs outputs of a type of resource that differ from the standard ones
 * @param calls takes the calls of functions; without it a call throws
 * @param preview whether it is a preview; default an `up`
 */
export async function run<T>(
  build: () => T | Promise<T>,
  outputs: (args: pulumi.runtime.MockResourceArgs) => Record<string, unknown> | undefined = () => undefined,
  calls?: Called[],
  preview = false,
): Promise<{ result: T; resources: Registered[] }> {
  const inputsOf = new Map<string, Record<string, unknown>>();
  await pulumi.runtime.setMocks(
    {
      newResource(args) {
        inputsOf.set(`${args.type}::${args.name}`, unwrap(args.inputs) as Record<string, unknown>);
        const state = { ...(args.inputs as object), ...computed(args), ...outputs(args) };
        return { id: args.custom === false ? undefined : `id-of-${args.name}`, state };
      },
      call(args) {
        if (calls === undefined) throw new Error(`the test does not provide for a call of ${args.token}`);
        calls.push({ token: args.token, inputs: unwrap(args.inputs) });
        return {};
      },
    },
    "audit",
    "test",
    preview,
    "organization",
  );
  const resources: Registered[] = [];
  const monitor = pulumi.runtime.getMonitor() as unknown as {
    registerResource: Register;
    registerResourceHook: (request: unknown, callback: (error: null) => void) => void;
  };
  // The SDK's mocks (3.245) claim to support hooks but do not.
  monitor.registerResourceHook = (_request, callback) => callback(null);
  const register = monitor.registerResource.bind(monitor);
  monitor.registerResource = (request, callback) =>
    register(request, (error, response) => {
      if (!error) {
        const type = request.getType();
        resources.push({
          urn: response.getUrn(),
          type,
          name: request.getName(),
          inputs: inputsOf.get(`${type}::${request.getName()}`) ?? {},
          parent: request.getParent(),
          provider: request.getProvider(),
          dependsOn: request.getDependenciesList(),
          ignoreChanges: request.getIgnorechangesList(),
          deleteBeforeReplace: request.getDeletebeforereplace(),
          beforeCreate: request.getHooks()?.getBeforeCreateList() ?? [],
          replacementTrigger: request.getReplacementTrigger()?.toJavaScript(),
          protect: request.getProtect(),
          importId: request.getImportid(),
          retainOnDelete: request.getRetainondelete(),
          formerParents: request.getAliasesList().flatMap((alias) => alias.getSpec()?.getParenturn() ?? []),
        });
      }
      callback(error, response);
    });
  const result = await build();
  await pulumi.runtime.disconnect();
  return { result, resources };
}

/** The one resource of a type (its last part, for example "Container") and name. */
export function find(resources: readonly Registered[], type: string, name: string): Registered {
  const found = resources.filter((r) => r.type.endsWith(`:${type}`) && r.name === name);
  if (found.length !== 1 || found[0] === undefined) {
    const there = resources.map((r) => `${r.type} ${r.name}`).join("\n  ");
    throw new Error(`${found.length} resources of type ${type} are named ${name}; there are:\n  ${there}`);
  }
  return found[0];
}

/** All resources of a type. */
export function ofType(resources: readonly Registered[], type: string): Registered[] {
  return resources.filter((r) => r.type.endsWith(`:${type}`));
}

/** Value of an output, once it is known. */
export function valueOf<T>(output: pulumi.Output<T>): Promise<T> {
  return new Promise((resolve) => output.apply(resolve));
}

/** The script that a command of DockerHost runs on its host. */
export function scriptOf(inputs: Record<string, unknown>): string {
  return (inputs.environment as Record<string, string>).AUDIT_SCRIPT ?? "";
}
