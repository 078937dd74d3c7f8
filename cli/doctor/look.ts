import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { gitlabDifferences } from "../../bootstrap/gitlab";
import { planVault } from "../../bootstrap/plan";
import { readVaultSettings } from "../../bootstrap/settings";
import { scriptLine } from "../../components/host/script-file";
import { askHost } from "../../components/vm/ask-host";
import { remoteShell } from "../../lib/remote-shell";
import { serversOf } from "../../config/servers";
import { lookAtCertificate } from "../../lib/check-certificates";
import { kubectl } from "../../lib/kubectl";
import { prometheusLogin } from "../../lib/prometheus-api";
import { applyVaultPlan } from "../../lib/vault/plan";
import { grafanaHeaders } from "../logins";
import { manifestOf, pullLogin } from "../registry";
import type { World } from "../world";
import type { Access, BootstrapLook } from "./access";
import { engineAt } from "./engine";
import { readFacts } from "./host-facts";
import { get } from "./http";
import { reachedFromHost } from "./reached";
import { stateLocks } from "./state-locks";

/** The access to the real world. `close` ends its connections. */
export function lookAt(world: World, vaultSettings: string | undefined): Access & { close(): Promise<void> } {
  const { values, env, project } = world;
  const database = once(async () => {
    const client = await world.database();
    await client.connect();
    return client;
  });
  let last: Promise<unknown> = Promise.resolve();
  const ask = remembered((url: string, headers: Readonly<Record<string, string>>) => get(url, headers));
  const settings = once(() => bootstrap(vaultSettings, world));
  const engine = once(() => Promise.resolve(engineAt(world.hostShell)));
  return {
    ...{ project, env, values, now: () => Date.now() },
    stackFile: () => (parse(readFileSync(project.file, "utf8")) ?? {}) as Record<string, unknown>,
    pulumi: remembered((args: readonly string[]) => world.pulumi(args)),
    locks: () => stateLocks(project, env),
    certificates: once(() =>
      Promise.all(
        serversOf(values).map(async (server) => ({
          setting: server.setting,
          ...(await lookAtCertificate(server, values.caFile)),
        })),
      ),
    ),
    host: once(async () => {
      const words = reachedFromHost(values).flatMap(({ host, port }) => [host, port]);
      return readFacts(await askHost(world.hostShell, scriptLine("../../cli/doctor/host-facts.sh", words)));
    }),
    engine: remembered(async (path: string, headers?: Readonly<Record<string, string>>) =>
      (await engine())(path, headers),
    ),
    kubectl: remembered((args: readonly string[], input?: string) => kubectl(values.kubeContext ?? "", args, input)),
    inRegistry: async (image) =>
      (await manifestOf(image, image.digest, pullLogin(values, image.registry))) !== undefined,
    monitoringHost: remembered((script: string) =>
      askHost(remoteShell(values.prometheusHost ?? "", values.prometheusSshOptions), script),
    ),
    sql: (query, parameters = []) => {
      // One after the other: they share a connection.
      const rows = last.then(
        async () => (await (await database()).query<Record<string, unknown>>(query, [...parameters])).rows,
      );
      last = rows.catch(() => undefined);
      return rows;
    },
    vault: remembered((method: "GET" | "POST", path: string, body?: object) => world.vault().send(method, path, body)),
    vaultOpen: remembered(async (path: string) => {
      const { status, body, date } = await get(`${values.vaultAddress}/v1/${path}`);
      return { status, answer: body as Record<string, unknown>, errors: [], date };
    }),
    prometheus: (path) => {
      const login = prometheusLogin(env);
      if (typeof login === "string") throw new Error(login);
      return ask(`${values.prometheusUrl}${path}`, login);
    },
    grafana: (path) => ask(`${values.grafanaUrl}${path}`, grafanaHeaders(env)),
    gitlab: async (path) => {
      const token = world.login("GITLAB_TOKEN", "make one with the scope read_api and the role Maintainer");
      const look = await settings();
      return ask(`${look?.gitlab.url ?? ""}/api/v4/${path}`, { "private-token": token });
    },
    bootstrap: settings,
    userNamespaces: once(
      () =>
        new Promise<boolean>((done) =>
          execFile("unshare", ["--user", "--map-root-user", "true"], (error) => done(error === null)),
        ),
    ),
    close: async () => {
      await database().then(
        (client) => client.end(),
        () => undefined,
      );
    },
  };
}

async function bootstrap(file: string | undefined, world: World): Promise<BootstrapLook | undefined> {
  if (file === undefined) return undefined;
  const settings = readVaultSettings(file);
  const request = (method: string, path: string, body?: object) => world.vault().request(method, path, body);
  return Promise.resolve({
    gitlab: settings.gitlab,
    vault: () => applyVaultPlan(request, planVault(settings), true),
    gitlabDifferences: remembered((token: string) => gitlabDifferences(settings, token)),
  });
}

const once = <T>(ask: () => Promise<T>): (() => Promise<T>) => {
  let answer: Promise<T> | undefined;
  return () => (answer ??= ask());
};

/** Asks once for the same. */
function remembered<A extends unknown[], T>(ask: (...args: A) => Promise<T>): (...args: A) => Promise<T> {
  const answers = new Map<string, Promise<T>>();
  return (...args) => {
    const key = JSON.stringify(args);
    const answer = answers.get(key) ?? ask(...args);
    answers.set(key, answer);
    return answer;
  };
}
