import { CommandError } from "./errors";

/** Why the CLI could not read the state, and the cure. */
export interface StateProblem {
  readonly found: string;
  readonly cure: string;
}

/** What Vault says, which encrypts the state's secrets; the CLI's first line does not repeat it. */
const BY_VAULT: readonly (readonly [RegExp, StateProblem])[] = [
  [
    /Vault is sealed/,
    {
      found: "Vault is sealed, and only Vault can decrypt its secrets",
      cure: "its administrators run `vault operator unseal`; in the sandbox: make up",
    },
  ],
  [
    /Code: 403|permission denied/,
    {
      found: "Vault refuses VAULT_SERVER_TOKEN (403), and only Vault can decrypt its secrets",
      cure: "log in to Vault again, and export VAULT_SERVER_TOKEN",
    },
  ],
];

const LOGIN = 'log in to it: PULUMI_BACKEND_URL, VAULT_SERVER_URL and VAULT_SERVER_TOKEN (docs/guide.md, step 5; in the sandbox: eval "$(make -s env)")'; // prettier-ignore

/** @param said everything that the CLI printed */
export function stateProblem(said: string): StateProblem {
  const [, known] = /secrets manager|Error making API request/.test(said)
    ? (BY_VAULT.find(([pattern]) => pattern.test(said)) ?? [])
    : [];
  const [first = ""] = said.trim().split("\n");
  return known ?? { found: first.replace(/^error: |[.:]+$/g, ""), cure: LOGIN };
}

/** @param what what the CLI was to read, such as `the state` */
export function stateUnread(what: string, said: string): CommandError {
  const { found, cure } = stateProblem(said);
  return new CommandError(`${what} cannot be read: ${found}; ${cure}`);
}
