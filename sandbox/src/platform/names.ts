/** Transit key that encrypts the secrets in the stack's state. */
export const stateKey = "pulumi-sandbox";
/** GitLab that signs the pipeline's ID tokens: nobody but the key in `.sandbox/gitlab/`, see test/e2e/support/id-token.ts. */
export const gitlab = { url: "https://gitlab.sandbox.test", project: "team/audit" } as const;
