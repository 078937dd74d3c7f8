import { isDeepStrictEqual } from "node:util";

/** The desired content of Vault, as plain data: everything in it is enforced, nothing else is touched. */
export interface VaultPlan {
  /** Secrets engines by path. */
  engines: Record<string, { type: string; options?: Record<string, string> }>;
  /** Auth methods by path. */
  methods: Record<string, { type: string }>;
  /** ACL policies by name. */
  policies: Record<string, string>;
  /** Things that are created once and then left alone: for example, a key must not be created a second time. */
  createOnly: { path: string; body: object }[];
  /**
   * Things whose given fields must have these values; lists are compared as sets, durations are seconds, and a dot
   * names a nested field. `send` is the request body if Vault takes it in another shape than it returns; default:
   * `body`.
   */
  ensure: { path: string; body: Record<string, unknown>; send?: object }[];
}

/** A mistake of the command's user. It is not the program's UserError, because that loads all of Pulumi. */
export class SetupError extends Error {}

/**
 * Sends a request to Vault's HTTP API; undefined if there is nothing at the path.
 *
 * @throws Error for any other failure
 */
export type VaultRequest = (method: string, path: string, body?: object) => Promise<Answer | undefined>;
type Answer = Record<string, unknown>;
interface Mount {
  type: string;
  options?: Record<string, string>;
}

/**
 * Applies the plan to Vault. It changes only what differs, and ignores what the plan does not name.
 *
 * @param check only report what would be done
 * @returns one line per change; empty if there was nothing to do
 * @throws SetupError if something of another type is at a path
 */
export async function applyVaultPlan(request: VaultRequest, plan: VaultPlan, check = false): Promise<string[]> {
  const changes: string[] = [];
  const change = async (what: string, path: string, body: object): Promise<void> => {
    changes.push(what);
    if (!check) await request("POST", path, body).catch(withCure);
  };
  const dataAt = async (path: string): Promise<Answer | undefined> =>
    (await request("GET", path))?.data as Answer | undefined;

  const kinds: [string, Record<string, Mount>, string][] = [
    ["secrets engine", plan.engines, "sys/mounts"],
    ["auth method", plan.methods, "sys/auth"],
  ];
  for (const [kind, mounts, list] of kinds) {
    const present = (await dataAt(list)) ?? {};
    for (const [path, wanted] of Object.entries(mounts)) {
      const found = present[`${path}/`] as Mount | undefined;
      if (found === undefined) {
        await change(`${kind} ${path}: enabled as ${wanted.type}`, `${list}/${path}`, wanted);
      } else if (found.type !== wanted.type) {
        throw new SetupError(
          `Vault has a ${kind} of type ${found.type} at ${path}, and ${wanted.type} is needed there; move it, or set another path where the settings have one.`,
        );
      } else if (wanted.options !== undefined && found.options?.version !== wanted.options.version) {
        throw new SetupError(
          `Vault's ${kind} at ${path} is version ${found.options?.version ?? "1"}, and version ${wanted.options.version ?? "?"} is needed.`,
        );
      }
    }
  }
  for (const [name, policy] of Object.entries(plan.policies)) {
    const path = `sys/policies/acl/${name}`;
    if ((await dataAt(path))?.policy !== policy) await change(`policy ${name}: written`, path, { policy });
  }
  for (const { path, body } of plan.createOnly) {
    if ((await absent(dataAt(path))) === undefined) await change(`${path}: made`, path, body);
  }
  for (const { path, body, send } of plan.ensure) {
    const found = (await absent(dataAt(path))) ?? {};
    const differs = Object.keys(body).filter((key) => !same(fieldOf(found, key), body[key]));
    if (differs.length > 0) await change(`${path}: ${differs.join(", ")} set`, path, send ?? body);
  }
  return changes;
}

/** Adds the cure to Vault's error: Vault connects to GitLab itself and reports only Go's certificate error. */
function withCure(error: unknown): never {
  if (error instanceof Error && error.message.includes("x509: "))
    throw new SetupError(
      `${error.message.trim()}\nVault does not trust GitLab's certificate: name a PEM file with the authority that signed it in gitlab.caFile.`,
    );
  throw error;
}

/**
 * The SSH engine answers 400 instead of 404 while it has no key. In a check, an engine that is not enabled yet answers
 * 404 or 400.
 */
async function absent<T>(answer: Promise<T | undefined>): Promise<T | undefined> {
  return answer.catch((error: unknown) => {
    if ((error as { status?: number }).status === 400) return undefined;
    throw error;
  });
}

function fieldOf(found: Answer, path: string): unknown {
  return path.split(".").reduce<unknown>((value, key) => (value as Answer | undefined)?.[key], found);
}

function same(found: unknown, wanted: unknown): boolean {
  const plain = (value: unknown): unknown => (Array.isArray(value) ? [...(value as unknown[])].sort() : value);
  // Some versions of the SSH engine return a duration as text.
  if (typeof wanted === "number") return Number(found) === wanted;
  if (Array.isArray(wanted)) return isDeepStrictEqual(plain(found), plain(wanted));
  if (typeof wanted === "object" && wanted !== null && typeof found === "object" && found !== null) {
    const flat = (value: object) => Object.entries(value).map(([key, inner]) => `${key}=${String(inner)}`);
    return isDeepStrictEqual(flat(found).sort(), flat(wanted).sort());
  }
  return found === wanted;
}
