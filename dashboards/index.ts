export { alertRules, groupName } from "./alerts";
export { type AlertOptions } from "./alert";
export { GRAFANA_INTERVAL, type GrafanaRule, grafanaRules } from "./grafana-alerts";
export type { TimeLeft } from "./panels";
export { type DashboardQuery, dashboardQueries, withVariables } from "./queries";
export { NGINX_DASHBOARD_UID, type NginxDashboardOptions, nginxDashboard } from "./nginx";
export { PUBLISHED_DASHBOARD, PublishedDashboardError, publishedDashboard } from "./published";
export {
  type DataSource,
  type Link,
  SERVICE_DASHBOARD_UID,
  type ServiceDashboardOptions,
  TAG,
  serviceDashboard,
} from "./service";
export { type ReplicaTarget, type TargetsOptions, targets } from "./targets";
