import { prometheusLogin } from "../tools/prometheus-api";

type Environment = Readonly<Record<string, string | undefined>>;

/** What the run logs in with. The plugins and the programs of the deploy read it from the environment themselves. */
const LOGINS = [
  ...["VAULT_TOKEN", "PGPASSWORD"],
  ...["AUDIT_PROMETHEUS_USERNAME", "AUDIT_PROMETHEUS_PASSWORD", "AUDIT_PROMETHEUS_TOKEN"],
] as const;

/**
 * A login that was read from a file or pasted may bring a line break along, and the server's refusal then blames the login.
 *
 * @returns one sentence a mistake, which does not repeat the value
 */
export function loginProblems(env: Environment): string[] {
  const blanks = LOGINS.filter((name) => env[name] !== undefined && env[name] !== env[name].trim()).map(
    (name) => `${name} (environment) begins or ends with a blank or a line break; export it again without`,
  );
  const login = prometheusLogin(env);
  return [...blanks, ...grafanaProblems(env), ...(typeof login === "string" ? [login] : [])];
}

/** Grafana's plugin keeps GRAFANA_AUTH in the state when it logs in with it, so the login is a header (docs/decisions/0125). */
function grafanaProblems({ GRAFANA_AUTH: auth = "", GRAFANA_HTTP_HEADERS: headers = "" }: Environment): string[] {
  const form = `'{"Authorization": "Bearer <token>"}'`;
  if (headers === "") {
    if (auth === "") return [];
    return [
      `GRAFANA_HTTP_HEADERS (environment) is missing, and GRAFANA_AUTH is not used, since the plugin would keep it in the state; export GRAFANA_HTTP_HEADERS=${form}`,
    ];
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(headers);
  } catch {
    parsed = undefined;
  }
  const names = typeof parsed === "object" && parsed !== null ? Object.keys(parsed) : [];
  const texts = names.length > 0 && Object.values(parsed as object).every((value) => typeof value === "string");
  if (texts && names.some((name) => name.toLowerCase() === "authorization")) return [];
  return [`GRAFANA_HTTP_HEADERS (environment) must be the JSON of headers with the login, for example ${form}`];
}
