import type { ExecResult } from "../../ci/lib/exec";
import type { Values } from "../../config";
import type { ImageReference } from "../../lib/image-reference";
import type { VaultReply } from "../../lib/vault/client";
import type { Env, Project } from "../project";

/** An answer of a server's HTTP API. */
export interface Reply {
  readonly status: number;
  /** Parsed JSON, or text if it is none. */
  readonly body: unknown;
  /** The server's own time in ms, where it tells. */
  readonly date?: number;
}

/**
 * All that checks look through, so that tests can give a world of their own. Nothing here changes anything, and each
 * thing is asked for once however many checks use it. Everything but the fields throws Error if there is no answer.
 */
export interface Access {
  readonly project: Project;
  readonly env: Env;
  readonly values: Values;
  /** This machine's time in ms. */
  readonly now: () => number;
  /** The stack's file as YAML, with what only the CLI uses. */
  readonly stackFile: () => Record<string, unknown>;
  /** Who holds the lock of the state; undefined where nobody can tell without taking it. */
  readonly locks: () => Promise<readonly string[] | undefined>;
  readonly pulumi: (args: readonly string[]) => Promise<ExecResult>;
  /** What is wrong with the certificates of the stack's servers, or why there was none, by the setting with the address. */
  readonly certificates: () => Promise<readonly { setting: string; problem?: string; unanswered?: string }[]>;
  /** The VM's facts, by one login. */
  readonly host: () => Promise<HostFacts>;
  /** GET of the Docker Engine's API on the VM, by `docker system dial-stdio` there. */
  readonly engine: (path: string, headers?: Readonly<Record<string, string>>) => Promise<Reply>;
  /** What kubectl prints, with the stack's context. @throws Error with what it says on standard error */
  readonly kubectl: (args: readonly string[], input?: string) => Promise<string>;
  /** Whether the registry has an image, with the login of the nodes, asked from this machine. */
  readonly inRegistry: (image: ImageReference) => Promise<boolean>;
  /** A shell line on Prometheus's host. */
  readonly monitoringHost: (script: string) => Promise<string>;
  /** A query of PostgreSQL as the deployer, in the database `postgres`. */
  readonly sql: (query: string, values?: readonly unknown[]) => Promise<readonly Record<string, unknown>[]>;
  /** Any answer of Vault, with VAULT_TOKEN, or `open` without. */
  readonly vault: (method: "GET" | "POST", path: string, body?: object) => Promise<VaultReply>;
  readonly vaultOpen: (path: string) => Promise<VaultReply & { readonly date?: number }>;
  readonly prometheus: (path: string) => Promise<Reply>;
  /** With the deploy's login. */
  readonly grafana: (path: string) => Promise<Reply>;
  /** GitLab's API, with GITLAB_TOKEN. */
  readonly gitlab: (path: string) => Promise<Reply>;
  /** The settings of bootstrap/vault.ts, if `--vault-settings` names them. @throws SetupError about its mistakes */
  readonly bootstrap: () => Promise<BootstrapLook | undefined>;
  /** Whether this machine lets a user have namespaces of its own, as a runner that builds must. */
  readonly userNamespaces: () => Promise<boolean>;
}

/** What bootstrap --check says; undefined where the token may not look. */
export interface BootstrapLook {
  readonly gitlab: { readonly url: string; readonly project: string; readonly projectId?: number };
  readonly vault: () => Promise<readonly string[]>;
  readonly gitlabDifferences: (token: string) => Promise<readonly string[]>;
}

/** From host-facts.sh. */
export interface HostFacts {
  /** Seconds since 1970. */
  readonly clock: number;
  readonly disk: { readonly path: string; readonly freeKiB: number; readonly totalKiB: number } | undefined;
  readonly memoryKiB: number;
  /** Interface of the default route. */
  readonly uplink: { readonly name: string; readonly mtu: number } | undefined;
  /** Ranges into which it has routes, other than by Docker's bridges, with the interface. */
  readonly routes: readonly { readonly range: string; readonly device: string }[];
  /** TCP ports on which something listens on every or a public address. */
  readonly listening: readonly number[];
  /** Whether an address can be reached from there; `unknown` where it has no program that could tell. */
  readonly reaches: Readonly<Record<string, "yes" | "no" | "unknown">>;
}
