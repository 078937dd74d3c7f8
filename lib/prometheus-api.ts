import { fitsHeader, headersOf, UNFIT } from "./header-text";

/**
 * The parts of Prometheus's HTTP API that the program's checks use:
 * https://prometheus.io/docs/prometheus/latest/querying/api/
 */

export interface ActiveTarget {
  labels: Record<string, string>;
  scrapeUrl: string;
  health: string;
  lastError: string;
  /** Time of the last scrape; in the year 1 before the first. */
  lastScrape: string;
  /** A duration as Prometheus writes it, `15s`. */
  scrapeInterval: string;
}

export interface Rule {
  type: string;
  name: string;
  query: string;
  /** Seconds. */
  duration?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
}

export interface RuleGroup {
  name: string;
  rules: Rule[];
}

/**
 * The login for Prometheus, if a proxy in front of it requires one: AUDIT_PROMETHEUS_TOKEN, or
 * AUDIT_PROMETHEUS_USERNAME and AUDIT_PROMETHEUS_PASSWORD. It is only in the environment, because a URL or an input
 * would appear in logs and in the state.
 *
 * @returns headers (none without a login), or a sentence that says which variable is missing, superfluous or not a
 * valid header, without its value
 */
export function prometheusLogin(
  env: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string>> | string {
  const { AUDIT_PROMETHEUS_TOKEN: token = "", AUDIT_PROMETHEUS_USERNAME: user = "" } = env;
  const { AUDIT_PROMETHEUS_PASSWORD: password = "" } = env;
  if (token !== "" && (user !== "" || password !== ""))
    return "AUDIT_PROMETHEUS_TOKEN and AUDIT_PROMETHEUS_USERNAME (environment): set one login for Prometheus, not both";
  if (!fitsHeader(token.trim())) return `AUDIT_PROMETHEUS_TOKEN (environment) ${UNFIT}`;
  if (token !== "") return { authorization: `Bearer ${token.trim()}` };
  if (user === "" && password === "") return {};
  if (user === "" || password === "") {
    const [missing, given] = user === "" ? ["USERNAME", "PASSWORD"] : ["PASSWORD", "USERNAME"];
    return `AUDIT_PROMETHEUS_${missing} (environment) is missing; it goes with AUDIT_PROMETHEUS_${given}`;
  }
  return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}` };
}

/** One series of an instant query. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** An alert whose expression is true: pending until it has been for long enough, then firing. */
export interface ActiveAlert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly state: string;
  readonly activeAt: string;
}

export class PrometheusApi {
  readonly #headers: Headers;

  /**
   * @param url Prometheus, perhaps below a path
   * @param env where {@link prometheusLogin} finds the login
   * @throws Error if that is incomplete
   */
  constructor(
    readonly url: string,
    env: Readonly<Record<string, string | undefined>> = process.env,
  ) {
    const login = prometheusLogin(env);
    if (typeof login === "string") throw new Error(login);
    this.#headers = headersOf(login);
  }

  /** The active targets, and Prometheus's own time in ms, because this machine's clock may differ. */
  async activeTargets(): Promise<{ targets: ActiveTarget[]; now: number }> {
    const { data, now } = await this.get<{ activeTargets: ActiveTarget[] }>("/api/v1/targets?state=active");
    return { targets: data.activeTargets, now };
  }

  async ruleGroups(): Promise<RuleGroup[]> {
    return (await this.get<{ groups: RuleGroup[] }>("/api/v1/rules?type=alert")).data.groups;
  }

  /** Pending and firing alerts. */
  async activeAlerts(): Promise<ActiveAlert[]> {
    return (await this.get<{ alerts: ActiveAlert[] }>("/api/v1/alerts")).data.alerts;
  }

  /** An instant query whose result is a vector. */
  async query(expr: string): Promise<Sample[]> {
    const { data } = await this.get<{ result: { metric: Record<string, string>; value: [number, string] }[] }>(
      `/api/v1/query?${new URLSearchParams({ query: expr }).toString()}`,
    );
    return data.result.map(({ metric, value: [, text] }) => ({ labels: metric, value: Number(text) }));
  }

  /** The prometheus.yml in force, with defaults filled in. */
  async config(): Promise<string> {
    return (await this.get<{ yaml: string }>("/api/v1/status/config")).data.yaml;
  }

  /** Makes it reload its configuration and rules. @returns false if its lifecycle API is switched off */
  async reload(): Promise<boolean> {
    const response = await fetch(`${this.url}/-/reload`, {
      method: "POST",
      headers: this.#headers,
      signal: AbortSignal.timeout(30_000),
    });
    if (response.status === 401) throw new Error(refused("/-/reload"));
    // 403: started without --web.enable-lifecycle; 404, 405: a proxy in front of it, or a compatible product, has no
    // such path.
    if ([403, 404, 405].includes(response.status)) return false;
    if (!response.ok)
      throw new Error(`it refuses its configuration or the rules: ${(await response.text()).trim().slice(0, 2000)}`);
    return true;
  }

  private async get<T>(path: string): Promise<{ data: T; now: number }> {
    const response = await fetch(this.url + path, { headers: this.#headers, signal: AbortSignal.timeout(10_000) });
    if (response.status === 401) throw new Error(refused(path));
    if (!response.ok) throw new Error(`${path} answers ${response.status}`);
    const date = Date.parse(response.headers.get("date") ?? "");
    return { data: ((await response.json()) as { data: T }).data, now: Number.isNaN(date) ? Date.now() : date };
  }
}

const refused = (path: string): string =>
  `${path} asks for another login (401): AUDIT_PROMETHEUS_USERNAME and AUDIT_PROMETHEUS_PASSWORD, or AUDIT_PROMETHEUS_TOKEN`;

/**
 * Repeats the check until nothing is wrong or the time is over.
 * @param attempt returns what is wrong, one line each
 * @returns what the last check found wrong
 */
export async function untilRight(seconds: number, attempt: () => Promise<string[]>): Promise<string[]> {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const wrong = await attempt();
    if (wrong.length === 0 || Date.now() >= end) return wrong;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}
