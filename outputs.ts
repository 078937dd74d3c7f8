import type { Output } from "@pulumi/pulumi";
import { handToCi, type Observability } from "./components";

/** The outputs that pipelines and people rely on, the same on a VM and on a cluster. CI is handed them as well. */
export function outputsOf(
  edge: { url: Output<string> },
  { image, release }: { image: Output<string>; release: Output<string> },
  { dashboardUrl, nginxDashboardUrl }: Observability,
) {
  handToCi({
    SERVICE_URL: edge.url,
    DASHBOARD_URL: dashboardUrl,
    NGINX_DASHBOARD_URL: nginxDashboardUrl,
    IMAGE: image,
    RELEASE: release,
  });
  return { serviceUrl: edge.url, dashboardUrl, nginxDashboardUrl, image, release };
}
