import { fitsHeader, UNFIT } from "../lib/header-text";
import { prometheusLogin } from "../lib/prometheus-api";
import { hasControl } from "./values";

type Environment = Readonly<Record<string, string | undefined>>;

/** The run's logins. The plugins and the programs of the deploy read them from the environment themselves. */
const LOGINS = [
  ...["VAULT_TOKEN", "PGPASSWORD"],
  ...["AUDIT_PROMETHEUS_USERNAME", "AUDIT_PROMETHEUS_PASSWORD", "AUDIT_PROMETHEUS_TOKEN"],
] as const;

/**
 * Logins that may have any character except control characters; the program itself strips a trailing line break from
 * the last one.
 */
const PASSWORDS = ["PGPASSWORD", "AUDIT_PROMETHEUS_USERNAME", "AUDIT_PROMETHEUS_PASSWORD", "AUDIT_REGISTRY_PASSWORD"];

/**
 * A login that was read from a file or pasted may include a line break. The server then reports a wrong login, or the
 * client's error repeats the login.
 *
 * @returns one sentence per mistake, which does not repeat the value
 */
export function loginProblems(env: Environment): string[] {
  const blanks = LOGINS.filter((name) => env[name] !== undefined && env[name] !== env[name].trim()).map(
    (name) => `${name} (environment) begins or ends with a blank or a line break; export it again without`,
  );
  const broken = PASSWORDS.filter((name) => hasControl(env[name]?.trim() ?? "")).map(
    (name) => `${name} (environment) has a line break or another control character within it; export it again without`,
  );
  const token = fitsHeader(env.VAULT_TOKEN?.trim() ?? "") ? [] : [`VAULT_TOKEN (environment) ${UNFIT}`];
  const login = prometheusLogin(env);
  return [...blanks, ...token, ...broken, ...grafanaProblems(env), ...(typeof login === "string" ? [login] : [])];
}

/** Grafana's plugin would store GRAFANA_AUTH in the state, so the login is a header instead (docs/decisions/0125). */
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
  const values: unknown[] = names.length > 0 ? Object.values(parsed as object) : [];
  const texts = values.filter((value) => typeof value === "string");
  if (names.some((name) => name.toLowerCase() === "authorization") && texts.length === values.length) {
    return texts.every((text) => fitsHeader(text)) && names.every((name) => /^[\w-]+$/.test(name))
      ? []
      : [`GRAFANA_HTTP_HEADERS (environment) ${UNFIT}`];
  }
  return [`GRAFANA_HTTP_HEADERS (environment) must be the JSON of headers with the login, for example ${form}`];
}
