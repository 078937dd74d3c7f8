import { isAbsolute } from "node:path";
import { NAMESPACE } from "../../config/errors";
import { schema } from "../../config/groups";
import { bareHost } from "../../lib/network-address";
import type { Probes } from "./probes";

/** By the key of the question; texts as they were given, and with what was found out. */
export type Answers = Readonly<Record<string, string>>;

/** How an answer is judged. */
export interface Verdict {
  /** It cannot be used: what is wrong and the cure. */
  readonly wrong?: string;
  /** It may be right all the same, for example if the machine is yet to come. */
  readonly doubt?: string;
  /** What takes its place, such as an image with its digest. */
  readonly better?: string;
}

export interface Question {
  /** Key in the answers; that of a setting without `audit:`, or of vault.json with `gitlab.`. */
  readonly key: string;
  readonly ask: string;
  /** It may be none. */
  readonly optional?: true;
  /** The question whose answer `otherwise` makes one of. */
  readonly from?: string;
  /** Asked only then; default always. */
  readonly when?: (answers: Answers) => boolean;
  /** Taken if nothing is given. Without it an answer is needed; the empty text is none. */
  readonly otherwise?: (answers: Answers, probes: Probes) => string | Promise<string>;
  /** The answers that there are. */
  readonly choices?: readonly (readonly [value: string, meaning: string])[];
  /** After the setting's own rules. */
  readonly check?: (text: string, answers: Answers, probes: Probes) => Promise<Verdict>;
}

/** The answer that means none, where something else stands in brackets. */
export const NONE = "-";

const itemsOf = (text: string): string[] => text.split(",").map((item) => item.trim()).filter(Boolean); // prettier-ignore
/** A list is given as words between commas; the schema takes JSON. */
export const asSetting = (key: string, text: string): string =>
  LISTS.includes(key) ? JSON.stringify(itemsOf(text)) : text;
const LISTS = ["applications", "edgeMetricsAllow"];

/** The rules of the setting itself, and then the question's own. */
export async function judge(question: Question, text: string, answers: Answers, probes: Probes): Promise<Verdict> {
  const { key, choices, otherwise, check, optional } = question;
  if (text === NONE) return optional ? { better: "" } : { wrong: "an answer is needed" };
  if (text === "") return otherwise === undefined ? { wrong: "an answer is needed" } : {};
  if (choices !== undefined && !choices.some(([value]) => value === text))
    return { wrong: `must be one of ${choices.map(([value]) => value).join(", ")}` };
  const verdict = (await check?.(text, answers, probes)) ?? {};
  if (verdict.wrong !== undefined) return verdict;
  const setting = (schema.shape as Record<string, (typeof schema.shape)[keyof typeof schema.shape] | undefined>)[key];
  const result = setting?.safeParse(asSetting(key, verdict.better ?? text));
  if (result?.success === false) return { wrong: wrongIn(result.error.issues, text) };
  return verdict;
}

/** Of a list, the item that is meant comes first. */
function wrongIn([issue]: readonly { path: readonly PropertyKey[]; message: string }[], text: string): string {
  if (issue === undefined) return "is not valid";
  const [index] = issue.path;
  return typeof index === "number" ? `${itemsOf(text)[index] ?? ""} ${issue.message}` : issue.message;
}

const hostOf = (url: string): string => (URL.canParse(url) ? bareHost(new URL(url).hostname) : "");
const PORTS: Readonly<Record<string, number>> = { "http:": 80, "https:": 443, "ssh:": 22 };
const portOf = (url: URL): number => (url.port === "" ? (PORTS[url.protocol] ?? 0) : Number(url.port));

/** A machine whose name DNS knows, and that accepts connections. */
async function machine(host: string, port: number, probes: Probes): Promise<Verdict> {
  const address = await probes.address(host).catch(() => undefined);
  if (address === undefined) return { doubt: `DNS does not know ${host}` };
  if (!(await probes.accepts(host, port)))
    return { doubt: `nothing accepts connections at ${host} (${address}), port ${port}` };
  return {};
}

async function ssh(text: string, _: Answers, probes: Probes): Promise<Verdict> {
  if (!text.startsWith("ssh://")) return {};
  if (!URL.canParse(text) || new URL(text).username === "")
    return { wrong: "must be ssh://user@host, or with a port ssh://user@host:2222" };
  return machine(hostOf(text), portOf(new URL(text)), probes);
}

/** A server with an HTTP API: reached, with a certificate that is trusted, and what it should be. */
const server =
  (key: string, what: string, path: string, known: (body: unknown) => boolean) =>
  async (text: string, answers: Answers, probes: Probes): Promise<Verdict> => {
    if (!URL.canParse(text) || !/^https?:/.test(text))
      return { wrong: "must be an address such as https://host.example.com" };
    const url = text.replace(/\/+$/, "");
    const reached = await machine(hostOf(url), portOf(new URL(url)), probes);
    if (reached.doubt !== undefined) return reached;
    const problem = await probes.certificate(
      `${NAMESPACE}:${key}`,
      url,
      answers.caFile === "" ? undefined : answers.caFile,
    );
    if (problem !== undefined) return { doubt: problem };
    const answer = await probes
      .http(`${url}${path}`)
      .catch((error: unknown) => ({ status: 0, body: (error as Error).message }));
    if (answer.status === 401 || answer.status === 403) return {};
    return known(answer.body)
      ? {}
      : { doubt: `what answers at ${url} is not ${what} (${answer.status || String(answer.body)})` };
  };

const has =
  (...path: readonly string[]) =>
  (body: unknown): boolean =>
    path.reduce<unknown>((value, key) => (value as Record<string, unknown> | null | undefined)?.[key], body) !==
    undefined;

/** By a tag its digest is looked up; the tag stays beside it for people. */
async function image(text: string, answers: Answers, probes: Probes): Promise<Verdict> {
  if (text.includes("@")) return {};
  const password = answers.registryPassword;
  const own = answers.image?.split("/")[0];
  const username = answers.registryUsername;
  const login = username && password && text.startsWith(`${own ?? ""}/`) ? { username, password } : undefined;
  try {
    return { better: await probes.digest(text, login) };
  } catch (error) {
    return {
      wrong: `its digest cannot be looked up: ${(error as Error).message.replace(/^Harbor (at )?/, "")}; correct it, or give the digest: ${text}@sha256:…`,
    };
  }
}

const OUTSIDE =
  "it is outside the clone, so the pipeline's jobs do not have it: copy it into the clone, commit it, and give its path there";

const NO_DIGEST = `@sha256:${"0".repeat(64)}`;
const below = ({ image: service = "" }: Answers, name: string): string => `${service.split("/")[0] ?? ""}/hub/${name}`;
const onHost = ({ prometheus }: Answers): boolean => prometheus !== "nowhere";

/** What differs from one world to another; everything else has a default in config/. */
export const QUESTIONS: readonly Question[] = [
  { key: "hostAddress", ask: "The VM's login, ssh://user@host", check: ssh },
  {
    key: "hostCidr",
    ask: "The range from which the VM's requests reach Vault",
    otherwise: async ({ hostAddress = "" }, { address }) => {
      const found = await address(hostOf(hostAddress)).catch(() => "");
      return found === "" ? "" : `${found}/${found.includes(":") ? 128 : 32}`;
    },
  },
  {
    key: "caFile",
    ask: "PEM file with your company's own certificate authority (- for none)",
    optional: true,
    otherwise: () => "",
    check: (text, _, { authority }) => {
      try {
        authority(text);
        return Promise.resolve(isAbsolute(text) || text.startsWith("..") ? { doubt: OUTSIDE } : {});
      } catch (error) {
        return Promise.resolve({ wrong: (error as Error).message });
      }
    },
  },
  {
    key: "image",
    ask: "The service's image as the pipeline pushes it, registry/project/name",
    check: (text) =>
      Promise.resolve(text.includes("@") ? {} : { better: `${text.replace(/:[\w.-]+$/, "")}${NO_DIGEST}` }),
  },
  {
    ...{ key: "registryUsername", ask: "The login by which the VM pulls images (- for none)", optional: true },
    otherwise: () => "",
  },
  {
    ...{ key: "edgeImage", ask: "Nginx's image, with a tag", check: image, from: "image" },
    otherwise: (all) => below(all, "nginx:1.29"),
  },
  {
    ...{ key: "exporterImage", ask: "The image of nginx-prometheus-exporter, with a tag", check: image, from: "image" },
    otherwise: (all) => below(all, "nginx-prometheus-exporter:1.5"),
  },
  {
    key: "vaultImage",
    ask: "Vault's image, for the agents, with a tag",
    from: "image",
    otherwise: (all) => below(all, "vault:1.21"),
    check: image,
  },
  { key: "databaseHost", ask: "PostgreSQL's name, as the VM reaches it" },
  {
    ...{ key: "databasePort", ask: "PostgreSQL's port", otherwise: () => "5432" },
    check: (text, { databaseHost = "" }, probes) => machine(databaseHost, Number(text), probes),
  },
  {
    ...{ key: "vaultAddress", ask: "Vault's address, https://host:8200" },
    check: server("vaultAddress", "Vault", "/v1/sys/seal-status", has("sealed")),
  },
  { key: "applications", ask: "Applications that send events, with commas between", otherwise: () => "demo" },
  {
    key: "tls",
    ask: "Who ends TLS for the clients",
    otherwise: () => "off",
    choices: [
      ["off", "a balancer in front of the VM"],
      ["files", "Nginx, with a certificate from two files"],
      ["vault", "Nginx, with a certificate that Vault issues"],
    ],
  },
  { key: "tlsCertificateFile", ask: "The certificate's file", when: ({ tls }) => tls === "files" },
  { key: "tlsKeyFile", ask: "The file of its key", when: ({ tls }) => tls === "files" },
  { key: "tlsPkiRole", ask: "The role of Vault's PKI", when: ({ tls }) => tls === "vault" },
  {
    ...{ key: "serviceUrl", ask: "The service's address, as its clients use it", from: "hostAddress" },
    otherwise: ({ hostAddress = "" }) => `https://${hostOf(hostAddress)}`,
    check: async (text, _, { address }) => {
      const host = hostOf(text);
      if (host === "") return {};
      return address(host).then(
        () => ({}),
        () => ({ doubt: `DNS does not know ${host}` }),
      );
    },
  },
  {
    ...{ key: "prometheusUrl", ask: "Prometheus's address, http://host:9090" },
    check: server("prometheusUrl", "Prometheus", "/api/v1/status/buildinfo", has("data", "version")),
  },
  {
    key: "prometheus",
    ask: "Where Prometheus runs, for the files of targets and rules",
    otherwise: () => "docker",
    choices: [
      ["docker", "on a host with Docker that takes an ssh login"],
      ["host", "on a host without Docker that takes an ssh login"],
      ["nowhere", "where nobody may write files: it asks the VM for its targets, and Grafana evaluates the alerts"],
    ],
  },
  {
    ...{
      key: "prometheusHost",
      ask: "The login to Prometheus's host",
      when: onHost,
      check: ssh,
      from: "prometheusUrl",
    },
    otherwise: ({ prometheusUrl = "" }) => `ssh://deploy@${hostOf(prometheusUrl)}`,
  },
  {
    ...{
      key: "prometheusImage",
      ask: "An image there with a shell",
      when: ({ prometheus }) => prometheus === "docker",
    },
    otherwise: () => "prom/prometheus:v2.53.0",
  },
  {
    ...{ key: "prometheusTargets", ask: "The directory, or volume, of its targets", when: onHost },
    otherwise: () => "/etc/prometheus/targets",
  },
  {
    ...{ key: "prometheusRules", ask: "The directory, or volume, of its rules", when: onHost },
    otherwise: () => "/etc/prometheus/rules",
  },
  {
    ...{ key: "edgeMetricsAllow", ask: "The addresses from which Prometheus collects metrics" },
    otherwise: ({ prometheusUrl = "" }, { address }) => address(hostOf(prometheusUrl)).catch(() => ""),
  },
  {
    ...{ key: "metricsAddress", ask: "The VM as Prometheus reaches it, host:port", from: "hostAddress" },
    otherwise: ({ hostAddress = "" }) => `${hostOf(hostAddress)}:9145`,
  },
  {
    ...{ key: "grafanaUrl", ask: "Grafana's address, with the path if it is below one" },
    check: server("grafanaUrl", "Grafana", "/api/health", has("database")),
  },
  { key: "grafanaDataSource", ask: "uid of the Prometheus data source in Grafana", otherwise: () => "prometheus" },
  {
    ...{ key: "gitlab.url", ask: "GitLab's address" },
    check: server("gitlab.url", "GitLab", "/api/v4/version", has("message")),
  },
  {
    key: "gitlab.project",
    ask: "The project in GitLab, group/name",
    check: (text) =>
      Promise.resolve(
        /^[\w.-]+(\/[\w.-]+)+$/.test(text) ? {} : { wrong: "must be the whole path, such as team/audit" },
      ),
  },
  {
    key: "gitlab.projectId",
    ask: "Its number, as the project's page shows it",
    check: (text) => Promise.resolve(/^[1-9]\d*$/.test(text) ? {} : { wrong: "must be a number, such as 42" }),
  },
];
