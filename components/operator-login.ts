import type * as pulumi from "@pulumi/pulumi";

/**
 * For a provider whose plugin reads its login from the environment: keeps the login out of the provider's inputs, whatever the SDK
 * puts there. Grafana's SDK copies GRAFANA_AUTH into `auth`; so it would stand in the state, a refresh or destroy would use
 * the login of the last deploy, and every run with another login would show the provider as changed.
 *
 * @example
 * new grafana.Provider("grafana", { url }, { transformations: [loginFromEnvironment("auth")] });
 */
export const loginFromEnvironment =
  (input: string): pulumi.ResourceTransformation =>
  ({ props, opts }) => ({ props: { ...props, [input]: undefined }, opts });
