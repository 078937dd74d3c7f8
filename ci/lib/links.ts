import { writeFileSync } from "node:fs";
import { optional, type Job } from "./failure";
import type { StackOutputs } from "./stack";

/**
 * Writes links for the job's page, which the environment's page leads to, to the file AUDIT_LINKS_FILE:
 * https://docs.gitlab.com/ci/yaml/artifacts_reports/#artifactsreportsannotations
 */
export function writeLinks(job: Job, outputs: StackOutputs): void {
  const file = optional(job.env, "AUDIT_LINKS_FILE");
  if (file === undefined) return;
  const links = [
    ["Service", outputs.serviceUrl],
    ["Dashboard of the service", outputs.dashboardUrl],
    ["Dashboard of Nginx", outputs.nginxDashboardUrl],
    ["Status: the job status of this pipeline", optional(job.env, "CI_PIPELINE_URL")],
  ]
    .filter(([, url]) => url !== undefined)
    .map(([label, url]) => ({ external_link: { label, url } }));
  writeFileSync(file, `${JSON.stringify({ audit: links })}\n`);
}
