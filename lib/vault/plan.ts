import { isDeepStrictEqual } from "node:util";

/** What Vault shall hold, as plain data: what is in it is asserted, nothing else is touched. */
export interface VaultPlan {
  /** Secrets engines by path. */
  engines: Record<string, { type: string; options?: Record<string, string> }>;
  /** Auth methods by path. */
  methods: Record<string, { type: string }>;
  /** ACL policies by name. */
  policies: Record<string, string>;
  /** Things that are made once and then left alone: a key must not be made a second time. */
  createOnly: { path: string; body: object }[];
  /**
   * Things whose given fields are kept as they are here; lists are sets, durations are seconds, a field within a field is named with a
   * dot. `send` is the body where Vault takes something in another shape than it shows it; default: as it is here.
   */
  ensure: { path: string; body: Record<string, unknown>; send?: object }[];
}

/** A mistake of the command's user. Not the program's UserError: that loads all of Pulumi. */
export class SetupError extends Error {}

/** A request to Vault's HTTP API; undefined when there is nothing at the path. @throws Error for every other failure */
export type VaultRequest = (method: string, path: string, body?: object) => Promise<Answer | undefined>;
type Answer = Record<string, unknown>;
interface Mount {
  type: string;
  options?: Record<string, string>;
}

/**
 * Brings Vault to the plan. What is as planned is left alone; what the plan does not name is not looked at.
 *
 * @param check only say what would be done
 * @returns one line a change; empty when there was nothing to do
 * @throws SetupError when a path is taken by something of another type
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

/** Vault asks GitLab itself, and says only what Go says about its certificate. */
function withCure(error: unknown): never {
  if (error instanceof Error && error.message.includes("x509: "))
    throw new SetupError(
      `${error.message.trim()}\nVault does not trust GitLab's certificate: name a PEM file with the authority that signed it in gitlab.caFile.`,
    );
  throw error;
}

/** The SSH engine answers 400 instead of 404 while it has no key; an engine that a check only would enable answers 404 or 400. */
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
  // The SSH engine keeps a duration as text in some versions.
  if (typeof wanted === "number") return Number(found) === wanted;
  if (Array.isArray(wanted)) return isDeepStrictEqual(plain(found), plain(wanted));
  if (typeof wanted === "object" && wanted !== null && typeof found === "object" && found !== null) {
    const flat = (value: object) => Object.entries(value).map(([key, inner]) => `${key}=${String(inner)}`);
    return isDeepStrictEqual(flat(found).sort(), flat(wanted).sort());
  }
  return found === wanted;
}
