import { readFileSync } from "node:fs";
import { join } from "node:path";
import { escapeIdentifier } from "pg";
import { stringify } from "yaml";
import { clusterManifest } from "../../bootstrap/kubernetes";
import { parseVaultSettings } from "../../bootstrap/settings";
import type { Values } from "../../config";
import { parseValues } from "../../config/parse";
import { NAMESPACE } from "../../config/errors";
import { inVault } from "../../config/in-vault";
import { fillTemplate } from "../../lib/templates";
import { settingsInText, type Project } from "../project";
import type { Answers } from "./question";
import { settingsOf, stackFileText } from "./stack-file";

/** A file that init writes, and who does what with it. */
export interface Written {
  readonly path: string;
  readonly text: string;
  readonly who: string;
}

/**
 * Everything that the answers come to.
 *
 * @throws ConfigError or SetupError if they contradict each other
 */
export function filesOf(answers: Answers, project: Project): readonly Written[] {
  const { stack, directory, file } = project;
  const onCluster = answers.platform === "kubernetes";
  const template = onCluster ? "Pulumi.cluster.yaml" : "Pulumi.vm2.yaml";
  const text = stackFileText(file, join(directory, template), settingsOf(answers, stack));
  const values = valuesOf(text);
  const into = join(directory, "setup", stack);
  return [
    {
      path: file,
      text,
      who: "You commit it: the settings of the stack.",
    },
    ...(onCluster ? forCluster(values, stack, into) : []),
    {
      path: join(into, "vault.json"),
      text: `${JSON.stringify(vaultSettings(answers, values), undefined, 2)}\n`,
      who:
        `An administrator of Vault, in a clone of this project, after npm ci --ignore-scripts: ${vaultLogin(values)} node --import tsx bootstrap/vault.ts setup/${stack}/vault.json` +
        (onCluster ? vaultLines(values) : ""),
    },
    {
      path: join(into, "database.sql"),
      text: fillTemplate(
        join(__dirname, "templates/database.sql"),
        { admin: values.databaseAdminUser, drift: values.databaseDriftUser ?? "drift" },
        (name) => escapeIdentifier(String(name)),
      ),
      who: "The database's administrator, with the passwords put in: psql -v ON_ERROR_STOP=1 --file database.sql",
    },
    ...(onCluster ? [] : forVm(values, into)),
    ...(values.prometheusDiscovery === "podMonitor"
      ? []
      : [
          {
            path: join(into, "prometheus.yml"),
            text: prometheusLines(values),
            who: "Prometheus's administrator adds these lines to prometheus.yml, and reloads it.",
          },
        ]),
  ];
}

function forCluster({ kubeNamespace }: Values, stack: string, into: string): Written[] {
  const kubeconfig = (account: string): string =>
    `(umask 077; sh bootstrap/kubeconfig.sh ${account} ${kubeNamespace} > ${account}.kubeconfig || rm ${account}.kubeconfig)`;
  const reviewer = "kubectl get secret vault-reviewer --namespace kube-system --output";
  const lines = [
    `The cluster's administrator, in a clone of this project: kubectl apply --server-side --filename setup/${stack}/kubernetes.yaml`,
    "Then the logins, of which the pipeline gets both, and whoever deploys by hand the first:",
    `  ${kubeconfig("deploy")}`,
    `  ${kubeconfig("drift")}`,
    "And, for the administrator of Vault:",
    `  (umask 077; ${reviewer} 'go-template={{.data.token | base64decode}}' > reviewer.jwt)`,
    `  ${reviewer} 'go-template={{index .data "ca.crt" | base64decode}}' > cluster-ca.pem`,
  ];
  return [
    {
      path: join(into, "kubernetes.yaml"),
      text: clusterManifest(kubeNamespace, stack),
      who: lines.join("\n  "),
    },
  ];
}

/** How Vault learns of the cluster; only the administrators know where its API is. */
const vaultLines = ({ vaultKubernetesMount }: Values): string =>
  "\n  Then, with the cluster's API as Vault reaches it, and the two files of the cluster's administrator:" +
  `\n    vault write auth/${vaultKubernetesMount}/config kubernetes_host=https://… kubernetes_ca_cert=@cluster-ca.pem token_reviewer_jwt=@reviewer.jwt disable_local_ca_jwt=true; shred -u reviewer.jwt`;

function forVm(values: Values, into: string): Written[] {
  return [
    {
      path: join(into, "vm.sh"),
      text: ofBootstrap("vm.sh"),
      who: vmLines(values).join("\n  "),
    },
    {
      path: join(into, "docker-read.sh"),
      text: ofBootstrap("docker-read.sh"),
      who: "Put beside vm.sh, which installs it.",
    },
    ...(values.caFile === undefined
      ? []
      : [{ path: join(into, "ca.pem"), text: values.caFile.pem, who: "Put beside vm.sh, which has Docker trust it." }]),
  ];
}

/** What the file says, validated together; the login of the registry comes from the environment of a deploy. */
function valuesOf(text: string): Values {
  const { texts } = settingsInText(text);
  const user = texts[`${NAMESPACE}:registryUsername`];
  return parseValues({ ...texts, ...(user && { [`${NAMESPACE}:registryPassword`]: "of the environment" }) });
}

function vaultSettings(answers: Answers, values: Values): object {
  const settings = {
    gitlab: {
      url: answers["gitlab.url"]?.replace(/\/+$/, ""),
      project: answers["gitlab.project"],
      projectId: Number(answers["gitlab.projectId"]),
      ...(values.caFile === undefined ? {} : { caFile: values.caFile.file }),
    },
    audience: values.vaultAddress,
    // Nobody logs in to a host; where a stack on a VM uses this Vault too, its file says so.
    ...(values.platform === "kubernetes" && !values.prometheusHost?.startsWith("ssh://") ? { ssh: null } : {}),
    ...(values.vaultMount === "secret" ? {} : { kvMount: values.vaultMount }),
    stack: inVault(values).bootstrap,
  };
  parseVaultSettings(settings, "vault.json");
  return settings;
}

/** Who runs vm.sh, and how. */
function vmLines({ hostAddress, prometheusHost, vaultAddress, vaultNamespace = "", ...more }: Values): string[] {
  const registry = more.caFile === undefined ? "" : `REGISTRY=${more.image.split("/")[0] ?? ""} `;
  const line = (address = "") => `${registry}sh vm.sh ${userOf(address)} ${vaultAddress} ${vaultNamespace}`.trimEnd();
  return [
    `The VM's administrator, as root there: ${line(hostAddress)}`,
    ...(prometheusHost?.startsWith("ssh://") ? [`The same on Prometheus's host: ${line(prometheusHost)}`] : []),
  ];
}

/** A script that an administrator gets as it is. */
const ofBootstrap = (name: string): string => readFileSync(join(__dirname, "../../bootstrap", name), "utf8");

function prometheusLines(values: Values): string {
  const http = values.prometheusDiscovery === "http";
  const inside = (place: string | undefined, fallback: string) => (place?.startsWith("/") ? place : fallback);
  const targets = inside(values.prometheusTargets, "/etc/prometheus/targets");
  const rules = inside(values.prometheusRules, "/etc/prometheus/rules");
  const found = http
    ? { http_sd_configs: [{ url: `http://${values.metricsAddress}/targets`, refresh_interval: "10s" }] }
    : { file_sd_configs: [{ files: [`${targets}/*.json`], refresh_interval: "10s" }] };
  return stringify({
    ...(values.alerts === "prometheus" ? { rule_files: [`${rules}/*.yml`] } : {}),
    scrape_configs: [{ job_name: values.platform === "vm" ? "audit" : `audit-${values.environment}`, ...found }],
  });
}

function vaultLogin({ vaultAddress, vaultNamespace, caFile }: Values): string {
  const more = [
    ...(vaultNamespace ? [`VAULT_NAMESPACE=${vaultNamespace}`] : []),
    ...(caFile === undefined ? [] : [`NODE_EXTRA_CA_CERTS=${caFile.file}`]),
  ];
  return [`VAULT_ADDR=${vaultAddress}`, ...more, "VAULT_TOKEN=…"].join(" ");
}

const userOf = (address = ""): string => (URL.canParse(address) && new URL(address).username) || "deploy";
