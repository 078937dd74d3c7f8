/** Transit key that encrypts the secrets in the stack's state. */
export const stateKey = "pulumi-sandbox";
/**
 * The GitLab in the pipeline's ID tokens. It does not exist; the key in `.sandbox/gitlab/` signs the tokens
 * (test/e2e/support/id-token.ts).
 */
export const gitlab = { url: "https://gitlab.sandbox.test", project: "team/audit" } as const;
