import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";

const FILE = join(__dirname, "kubernetes.yaml");

/** One right of an account: a verb on one kind of object, in the namespace or of it. */
export interface Right {
  readonly verb: string;
  readonly group: string;
  /** With its part, as in `pods/exec`. */
  readonly resource: string;
}

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly rules?: readonly { readonly apiGroups: string[]; readonly resources: string[]; readonly verbs: string[] }[];
}

/** The file for another namespace and stack, as the line at its head makes it. */
export const clusterManifest = (namespace: string, stack: string): string =>
  readFileSync(FILE, "utf8")
    .replace(/^# For another namespace[^]*?(?=^# It may)/m, "")
    .replaceAll('"audit"', `"${namespace}"`)
    .replaceAll(" audit-", ` ${namespace}-`)
    .replaceAll(":audit:", `:${namespace}:`)
    .replace('stack: "cluster"', `stack: "${stack}"`);

/** The rights that kubernetes.yaml gives the account of the deploys. */
export const deployRights = (): Right[] =>
  parseAllDocuments(readFileSync(FILE, "utf8"))
    .map((document) => document.toJS() as Manifest)
    .filter(({ kind, metadata }) => /^(Cluster)?Role$/.test(kind) && /^(audit-)?deploy$/.test(metadata.name))
    .flatMap(({ rules = [] }) => rules)
    .flatMap(({ apiGroups, resources, verbs }) =>
      apiGroups.flatMap((group) => resources.flatMap((resource) => verbs.map((verb) => ({ verb, group, resource })))),
    );
