import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { parse } from "yaml";
import { demand, type Credentials } from "./credentials";
import { Failure } from "./failure";
import { conceal } from "./secrets";

export interface ClusterSession {
  /** Add it to the environment of commands that reach the cluster: Pulumi's plugin and kubectl. */
  readonly env: Readonly<Record<string, string>>;
  close(): void;
}

/** The parts of a kubeconfig that are used here. */
interface Kubeconfig {
  contexts?: { name?: string }[];
  users?: unknown;
}

/** Keys below `users` whose values are secret; `value` is that of a variable for a login helper. */
const SECRET = /^(token|password|client-key-data|(id|access|refresh)-token|client-secret|value)$/;

/**
 * A login to the cluster for the duration of the job: KUBECONFIG, which is the file's text in Vault, and the file's path
 * in a CI variable of type File.
 *
 * @param context the one that the stack uses (audit:kubeContext); undefined if its file names none
 * @throws Failure if there is none, or it does not have that context
 */
export function openCluster(
  { values, where }: Pick<Credentials, "values" | "where">,
  context?: string,
): ClusterSession {
  demand({ values, where }, "KUBECONFIG");
  const { KUBECONFIG: given = "" } = values;
  const isText = /[\n{]/.test(given);
  const texts = isText
    ? [given]
    : given
        .split(delimiter)
        .filter((path) => existsSync(path))
        .map((path) => readFileSync(path, "utf8"));
  if (texts.length === 0) {
    throw new Failure(
      `KUBECONFIG names ${given}, and there is no such file; make it a CI variable of type File, or put the file's text into Vault at ${where}`,
    );
  }
  const contexts = texts.flatMap(contextsOf);
  if (context !== undefined && !contexts.includes(context)) {
    throw new Failure(
      `KUBECONFIG has no context ${context}, which audit:kubeContext names; it has ${contexts.join(", ") || "none"}`,
    );
  }
  if (!isText) return { env: { KUBECONFIG: given }, close: () => undefined };
  const dir = mkdtempSync(join(tmpdir(), "kube-"));
  const file = join(dir, "config");
  writeFileSync(file, `${given}\n`, { mode: 0o600 });
  return { env: { KUBECONFIG: file }, close: () => rmSync(dir, { recursive: true, force: true }) };
}

/** Names of the contexts in a kubeconfig, whose secrets are masked from now on. */
function contextsOf(text: string): string[] {
  let read: Kubeconfig | null;
  try {
    read = parse(text) as Kubeconfig | null;
  } catch {
    // The parser's message would show a part of the file.
    throw new Failure("KUBECONFIG cannot be read: it must be a kubeconfig, in YAML or JSON");
  }
  concealWithin(read?.users);
  return (read?.contexts ?? []).flatMap(({ name }) => (name === undefined ? [] : [name]));
}

function concealWithin(value: unknown): void {
  if (value === null || typeof value !== "object") return;
  for (const [key, inner] of Object.entries(value) as [string, unknown][]) {
    if (typeof inner !== "string") concealWithin(inner);
    else if (SECRET.test(key)) {
      conceal(inner);
      if (key === "client-key-data") conceal(Buffer.from(inner, "base64").toString());
    }
  }
}
