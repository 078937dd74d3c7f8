import { posix } from "node:path";
import { NAMESPACE } from "../../../config/errors";
import { readConfig, unseenJobs } from "../../../lib/prometheus-config";
import { quote } from "../../../lib/shell";
import { CommandError } from "../../errors";
import { failure, ok, skipped, warning, type Finding, type Subject } from "../check";
import type { Access } from "../access";

async function answers({ prometheus, values }: Access): Promise<Finding> {
  const { status, body } = await prometheus("/api/v1/status/buildinfo");
  if (status === 401 || status === 403)
    return failure(
      `Prometheus asks for another login (${status})`,
      "set AUDIT_PROMETHEUS_USERNAME and AUDIT_PROMETHEUS_PASSWORD, or AUDIT_PROMETHEUS_TOKEN",
    );
  const version = (body as { data?: { version?: string } } | undefined)?.data?.version;
  if (status !== 200 || version === undefined)
    return failure(
      `${values.prometheusUrl} answers ${status}, and not as Prometheus does`,
      `correct ${NAMESPACE}:prometheusUrl`,
    );
  return ok(`Prometheus ${version}`);
}

async function configOf({ prometheus }: Access): Promise<string> {
  const path = "/api/v1/status/config";
  const { status, body } = await prometheus(path);
  const yaml = (body as { data?: { yaml?: string } } | null)?.data?.yaml;
  if (yaml !== undefined) return yaml;
  throw new CommandError(
    `Prometheus answers ${status} to ${path}, and not with its configuration; ${NAMESPACE}:prometheusUrl must lead to a Prometheus that shows it`,
  );
}

async function job(access: Access): Promise<Finding> {
  const { values } = access;
  if (values.prometheusDiscovery === "podMonitor")
    return skipped("the deploy makes PodMonitors, and of them the operator scrape jobs");
  const yaml = await configOf(access);
  const { jobs, jobFiles } = readConfig(yaml);
  // It may be in a file whose jobs Prometheus does not show: then a deploy finds out, by the targets.
  const lacks = (what: string): Finding =>
    (jobFiles.length === 0 ? failure : warning)(
      `prometheus.yml has ${what}${unseenJobs(jobFiles)}`,
      "add the lines that `audit init` writes to prometheus.yml, and reload it",
    );
  if (values.prometheusDiscovery === "http") {
    const place = `http://${values.metricsAddress}/targets`;
    const urls = jobs.flatMap((each) => each.http_sd_configs ?? []).map(({ url = "" }) => url);
    if (urls.includes(place)) return ok(`a scrape job asks ${place}`);
    const others = urls.length === 0 ? "" : `, only for ${urls.join(", ")}`;
    return lacks(`no scrape job with http_sd_configs for ${place}${others}`);
  }
  const place = values.prometheusTargets ?? "";
  const files = jobs.flatMap((each) => (each.file_sd_configs ?? []).flatMap((config) => config.files ?? []));
  if (files.length === 0) return lacks("no scrape job with file_sd_configs");
  // What is a volume on its host has another path for Prometheus.
  if (!place.startsWith("/") || files.some((file) => posix.dirname(file) === posix.normalize(place).replace(/\/$/, "")))
    return ok(`a scrape job reads ${files.join(", ")}`);
  return values.prometheusImage === undefined && jobFiles.length === 0
    ? failure(
        `scrape jobs read ${files.join(", ")}, and the targets are written to ${place}`,
        `name one of these directories in ${NAMESPACE}:prometheusTargets, or add ${place}/*.json to prometheus.yml`,
      )
    : warning(
        `scrape jobs read ${files.join(", ")}, and the targets are written to ${place}`,
        "see that this is the same place, as Prometheus's container sees it",
      );
}

async function rules(access: Access): Promise<Finding> {
  const { values } = access;
  if (values.alerts !== "prometheus")
    return skipped(`${NAMESPACE}:alerts ${values.alerts}: Prometheus reads no rules of this`);
  const { ruleFiles } = readConfig(await configOf(access));
  const place = values.prometheusRules ?? "";
  if (ruleFiles.length === 0)
    return failure(
      "prometheus.yml has no rule_files",
      `add rule_files: [${place.startsWith("/") ? place : "<directory>"}/*.yml], and reload it`,
    );
  if (
    !place.startsWith("/") ||
    values.prometheusImage !== undefined ||
    ruleFiles.some((file) => posix.dirname(file) === posix.normalize(place).replace(/\/$/, ""))
  )
    return ok(`rule_files read ${ruleFiles.join(", ")}`);
  return failure(
    `rule_files read ${ruleFiles.join(", ")}, and the rules are written to ${place}`,
    `name one of these directories in ${NAMESPACE}:prometheusRules`,
  );
}

async function lifecycle({ prometheus, values }: Access): Promise<Finding> {
  if (values.alerts !== "prometheus") return skipped("nothing needs a reload");
  if (values.prometheusReload !== undefined) return ok(`it is reloaded by \`${values.prometheusReload}\``);
  const { status, body } = await prometheus("/api/v1/status/flags");
  const flags = (body as { data?: Record<string, string> } | undefined)?.data;
  if (status !== 200 || flags === undefined) return skipped("it does not tell its flags");
  if (flags["web.enable-lifecycle"] === "true") return ok("its lifecycle API is on: the deploy reloads its rules");
  return failure(
    "its lifecycle API is off, and new alerts would not come into force",
    `start it with --web.enable-lifecycle, or set ${NAMESPACE}:prometheusReload to the command that reloads it`,
  );
}

/** The login that writes targets and rules there. */
async function host({ monitoringHost, values }: Access): Promise<Finding> {
  const { prometheusHost, prometheusImage, prometheusDiscovery, alerts } = values;
  if (prometheusHost === undefined) return skipped(`${NAMESPACE}:prometheusHost is not set: no files are written`);
  const places = [
    ...(prometheusDiscovery === "file" ? [values.prometheusTargets ?? ""] : []),
    ...(alerts === "prometheus" ? [values.prometheusRules ?? ""] : []),
  ];
  const look =
    prometheusImage === undefined
      ? places.map((place) => `[ -d ${quote(place)} ] && [ -w ${quote(place)} ] || echo ${quote(place)}`).join("; ")
      : `docker image inspect --format . ${quote(prometheusImage)} > /dev/null 2>&1 || { docker version > /dev/null 2>&1 && echo image || echo docker; }`;
  const said = (await monitoringHost(look)).trim();
  if (said === "") return ok(`${prometheusHost} takes this login, which may write there`);
  if (said === "docker")
    return failure(
      `the login may not use a Docker Engine at ${prometheusHost}`,
      `put the user into the group docker there, or leave out ${NAMESPACE}:prometheusImage`,
    );
  if (said === "image")
    return warning(
      `${prometheusImage ?? ""} is not at ${prometheusHost} yet`,
      "the deploy pulls it; see that the host may",
    );
  return failure(
    `the login may not write to ${said.split("\n").join(" and ")} on ${prometheusHost}`,
    `mkdir --parents, and chown them to the user of ${NAMESPACE}:prometheusHost, as root there`,
  );
}

export const prometheus: Subject = {
  name: "Prometheus",
  checks: [
    { id: "prometheus-answers", title: "Prometheus", run: answers },
    { id: "prometheus-job", title: "scrape job", needs: "prometheus-answers", run: job },
    { id: "prometheus-rules", title: "rules", needs: "prometheus-answers", run: rules },
    { id: "prometheus-lifecycle", title: "reload", needs: "prometheus-answers", run: lifecycle },
    { id: "prometheus-host", title: "its host", run: host },
  ],
};
