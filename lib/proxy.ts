/** The variables that name a proxy. Each program has its own order among them, so all must be readable. */
export const PROXY_VARIABLES = ["HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"] as const;

type Env = Readonly<Record<string, string | undefined>>;

/**
 * What is wrong with the variables that name a proxy; undefined if nothing is. The text has no value, which may hold a
 * password.
 *
 * With NODE_USE_ENV_PROXY=1 Node reads them before it runs any program, and ends with a trace, some of which show the
 * password, where curl and Go take a value or say what is wrong with it. So whoever starts Node that way asks first.
 * `ci/trust.sh` checks the same for jobs, where no program of ours runs before Node.
 */
export function wrongProxy(env: Env): string | undefined {
  const wrong = PROXY_VARIABLES.find((name) => env[name] && !isReadable(env[name]));
  return (
    wrong &&
    `${wrong} is no address of a proxy that Node can read; write it as http://user:password@host:port, with special characters of the password percent-encoded, such as %2F for / and %25 for %`
  );
}

/**
 * The cure for a request that got no answer, appended to its message; empty unless NO_PROXY has what Go knows and Node
 * does not: then Node asks by the proxy what Pulumi's plugins reach directly.
 */
export function rangeHint(env: Env): string {
  const proxied = PROXY_VARIABLES.some((name) => env[name]);
  const ranges = [env.NO_PROXY, env.no_proxy].some((value) => value?.includes("/"));
  return proxied && ranges
    ? "; Node knows no ranges such as 10.0.0.0/8 in NO_PROXY: if this server is to be reached without the proxy, name its host or domain there, too"
    : "";
}

function isReadable(value: string): boolean {
  // URL would drop a line break or a tab; Go refuses them.
  // eslint-disable-next-line no-control-regex
  if (/[\u0000-\u001f\u007f]/.test(value)) return false;
  // The scheme has no default. Nothing but / may follow the authority: what else does is the rest of a password.
  if (!/^(https?|socks5?):\/\/[^/?#\\]+\/?$/.test(value)) return false;
  try {
    const { username, password } = new URL(value);
    decodeURIComponent(username + password);
    return true;
  } catch {
    return false;
  }
}
