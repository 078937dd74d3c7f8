/** What the run logs in with. The plugins and the programs of the deploy read it from the environment themselves. */
const LOGINS = ["VAULT_TOKEN", "PGPASSWORD", "GRAFANA_AUTH"] as const;

/**
 * A login that was read from a file or pasted may bring a line break along, and the server's refusal then blames the login.
 *
 * @returns one sentence a mistake, which does not repeat the value
 */
export function loginProblems(env: Readonly<Record<string, string | undefined>>): string[] {
  return LOGINS.filter((name) => env[name] !== undefined && env[name] !== env[name].trim()).map(
    (name) => `${name} (environment) begins or ends with a blank or a line break; export it again without`,
  );
}
