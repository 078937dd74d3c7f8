import type { Output } from "@pulumi/pulumi";
import { handToCi, type LogKey, type Observability } from "./components";

/** The outputs that pipelines and people rely on, the same on a VM and on a cluster. CI is handed them as well. */
export function outputsOf(
  edge: { url: Output<string> },
  { image, release }: { image: Output<string>; release: Output<string> },
  { dashboardUrl, nginxDashboardUrl }: Observability,
  log: LogKey | undefined,
  formerKeys: readonly string[] | undefined,
) {
  handToCi({
    SERVICE_URL: edge.url,
    DASHBOARD_URL: dashboardUrl,
    NGINX_DASHBOARD_URL: nginxDashboardUrl,
    IMAGE: image,
    RELEASE: release,
  });
  const all = { serviceUrl: edge.url, dashboardUrl, nginxDashboardUrl, image, release };
  // For those who verify the log, also while it is switched off: the newest key first.
  const logKeys = log?.verifierKeys ?? formerKeys;
  return logKeys === undefined ? all : { ...all, logKeys };
}
