import { addressOf, containerName, hostName, sandboxName } from "../settings.js";
import { until } from "../wait.js";
import type { Context } from "./context.js";

export const grafanaVolume = `${sandboxName}-grafana`;
export const grafanaAdmin = "admin";

/**
 * Ensures that Grafana runs, or its stand-in if the image is not available.
 *
 * @returns true if there was nothing to do.
 */
export async function ensureGrafana({ engine, settings, state }: Context, image: string): Promise<boolean> {
  const running = await engine.ensureContainer({
    name: containerName("grafana"),
    image,
    hostname: hostName("grafana"),
    address: addressOf(settings, "grafana"),
    env: {
      GF_SECURITY_ADMIN_USER: grafanaAdmin,
      GF_SECURITY_ADMIN_PASSWORD__FILE: "/etc/sandbox/grafana-password",
      GF_SERVER_ROOT_URL: `http://127.0.0.1:${settings.ports.grafana}/`,
      GF_ANALYTICS_REPORTING_ENABLED: "false",
      GF_ANALYTICS_CHECK_FOR_UPDATES: "false",
      // Anonymous access, so that the printed link shows the dashboard at once; the sandbox listens only on 127.0.0.1.
      GF_AUTH_ANONYMOUS_ENABLED: "true",
      GF_AUTH_ANONYMOUS_ORG_ROLE: "Viewer",
    },
    files: [{ path: "/etc/sandbox/grafana-password", content: state.secret("grafana") }],
    volumes: { [grafanaVolume]: "/var/lib/grafana" },
    ports: { 3000: settings.ports.grafana },
  });
  if (!running) {
    await until("Grafana", 90, async () => {
      const response = await fetch(`http://127.0.0.1:${settings.ports.grafana}/api/health`);
      return response.ok ? true : undefined;
    });
  }
  return running;
}
