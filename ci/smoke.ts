/**
 * After a deploy, checks through the edge, as a client sees it, that /reload and /metrics answer 404 and that an event
 * of the application `smoke` can be stored and read back; and that Prometheus has every target up. Variables:
 * SERVICE_URL and RELEASE from deploy.env; see lib/stack.ts.
 */
import { randomUUID } from "node:crypto";
import { SMOKE } from "../components/secrets/token-holders";
import { PrometheusApi, prometheusLogin } from "../lib/prometheus-api";
import { problemsOf, problemsOfPods, untilTargetsAreRight } from "../lib/prometheus-targets";
import { exec as realExec, type Exec } from "./lib/exec";
import { Failure, reason, required, runJob, type Job } from "./lib/failure";
import { HIDDEN_PATHS, rawStatus } from "./lib/hidden-paths";
import { conceal } from "./lib/secrets";
import { Stack } from "./lib/stack";

export async function smoke(job: Job, exec: Exec): Promise<void> {
  const service = required(job.env, "SERVICE_URL", "deploy.env of the deploy job sets it").replace(/\/+$/, "");
  const release = required(job.env, "RELEASE", "deploy.env of the deploy job sets it");
  await Stack.with(job, exec, async (stack) => {
    const { vault } = stack.credentials;
    const setting = async (key: string, or: string): Promise<string> => (await stack.config(`audit:${key}`)) ?? or;
    const mount = await setting("vaultMount", "secret");
    const path = `${await setting("vaultPath", "audit-svc/vm2")}-tokens`;
    const tokenOf = async (holder: string): Promise<string> => {
      const { token } = (await vault.readSecret(mount, `${path}/${holder}`)) ?? {};
      if (typeof token !== "string") {
        throw new Failure(
          `Vault has no token at ${mount}/${path}/${holder}; was the stack deployed by this version, with this audit:vaultPath?`,
        );
      }
      conceal(token);
      return token;
    };
    const [writer, reader] = [await tokenOf(`writer-${SMOKE}`), await tokenOf(`reader-${SMOKE}`)];
    await operatorsPathsAreHidden(service);
    job.say(`ok: /reload and /metrics are 404 in ${HIDDEN_PATHS.length} spellings`);
    await eventGoesRound(service, writer, reader);
    job.say("ok: an event went in and came out");
    const prometheus = (await setting("prometheusUrl", "")).replace(/\/+$/, "");
    const onCluster = (await setting("platform", "vm")) === "kubernetes";
    const count = await targetsAreUp(prometheus, await setting("environment", "vm2"), release, {
      env: stack.credentials.values,
      pods: onCluster ? Number(await setting("replicas", "2")) : undefined,
    });
    job.say(`ok: Prometheus has ${count} targets of release ${release} up`);
  });
}

/** @throws Failure naming the spelling that got another answer */
export async function operatorsPathsAreHidden(service: string): Promise<void> {
  for (const path of HIDDEN_PATHS) {
    const status = await rawStatus(service, "POST", path).catch((error: unknown) => {
      throw new Failure(`the service at ${service} does not answer: ${reason(error)}`);
    });
    // 400: nginx does not accept the spelling as a path at all.
    if (status !== 404 && status !== 400)
      throw new Failure(`POST ${path} through the edge was answered ${status} instead of 404`);
  }
}

async function eventGoesRound(service: string, writer: string, reader: string): Promise<void> {
  const id = randomUUID();
  const actor = `smoke-${id}`;
  const event = {
    ...{ id, application: SMOKE, actor, action: "pipeline.smoke", resource: "service", outcome: "success" },
    occurredAt: new Date().toISOString(),
  };
  await ask(`${service}/v1/events`, 201, {
    method: "POST",
    headers: { authorization: `Bearer ${writer}`, "content-type": "application/json" },
    body: JSON.stringify(event),
  });
  const text = await ask(`${service}/v1/events?actor=${actor}&limit=1`, 200, {
    headers: { authorization: `Bearer ${reader}` },
  });
  const { events } = JSON.parse(text) as { events: { id: string }[] };
  if (events[0]?.id !== id) throw new Failure(`the event that ${service} accepted cannot be read back`);
}

/**
 * @param options `pods`: on a cluster, how many replicas there are at the least
 * @returns how many targets there are
 * @throws Failure naming those that are wrong
 */
export async function targetsAreUp(
  prometheus: string,
  environment: string,
  release: string,
  options: { seconds?: number; env?: Readonly<Record<string, string | undefined>>; pods?: number } = {},
): Promise<number> {
  const { seconds = 60, env = {}, pods } = options;
  const login = prometheusLogin(env);
  if (typeof login === "string") throw new Failure(login);
  let count = 0;
  const wrong = await untilTargetsAreRight(
    new PrometheusApi(prometheus, env),
    "audit:prometheusUrl",
    seconds,
    (active, now) => {
      count = active.filter(({ labels }) => labels.environment === environment).length;
      return pods === undefined
        ? problemsOf({ environment, release }, active, now)
        : problemsOfPods({ environment, release, pods }, active, now);
    },
  );
  if (wrong.length > 0) throw new Failure(`Prometheus at ${prometheus}: ${wrong.join(", ")}`);
  return count;
}

async function ask(url: string, status: number, init: RequestInit = {}): Promise<string> {
  let response: Response;
  try {
    response = await fetch(url, { ...init, signal: AbortSignal.timeout(10_000) });
  } catch (error) {
    throw new Failure(`${url} does not answer: ${reason(error)}`);
  }
  const text = await response.text();
  if (response.status !== status) {
    throw new Failure(
      `${init.method ?? "GET"} ${url} was answered ${response.status} instead of ${status}: ${text.slice(0, 200)}`,
    );
  }
  return text;
}

if (require.main === module) runJob((job) => smoke(job, realExec));
