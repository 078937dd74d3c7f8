import type { Handlers } from "./framework/server.js";

/** The stand-ins by the name of their plugin. Each is loaded only when it is asked for, for the sake of the start-up. */
const providers: Readonly<Record<string, () => Promise<() => Handlers>>> = {
  command: async () => (await import("./command/provider.js")).commandProvider,
  docker: async () => (await import("./docker/provider.js")).dockerProvider,
  grafana: async () => (await import("./grafana/provider.js")).grafanaProvider,
  postgresql: async () => (await import("./postgresql/provider.js")).postgresqlProvider,
  random: async () => (await import("./random/provider.js")).randomProvider,
  vault: async () => (await import("./vault/provider.js")).vaultProvider,
};

export const standIns = Object.keys(providers);

/**
 * A provider that is not configured yet.
 *
 * @throws Error if there is no stand-in of this name
 */
export async function standIn(name: string): Promise<Handlers> {
  const load = Object.hasOwn(providers, name) ? providers[name] : undefined;
  if (load === undefined) throw new Error(`there is no stand-in for the plugin ${name}`);
  return (await load())();
}
