import { isAbsolute } from "node:path";
import { has, hostOf, image, machine, rangeOf, ranges, server, ssh } from "./checks";
import type { Answers, Question } from "./question";

const OUTSIDE =
  "it is outside the clone, so the pipeline's jobs do not have it: copy it into the clone, commit it, and give its path there";

const NO_DIGEST = `@sha256:${"0".repeat(64)}`;
const below = ({ image: service = "" }: Answers, name: string): string => `${service.split("/")[0] ?? ""}/hub/${name}`;
const onHost = ({ prometheus }: Answers): boolean => prometheus === "docker" || prometheus === "host";
const byOperator = ({ prometheus }: Answers): boolean => prometheus === "operator";
const onCluster = ({ platform }: Answers): boolean => platform === "kubernetes";
const onVm = (answers: Answers): boolean => !onCluster(answers);
const nodePorts = (answers: Answers): boolean => onCluster(answers) && answers.edgeService === "nodePort";

/** Why nothing was made of a host that was given. */
const unknown = (host: string, what: string): string | boolean =>
  host !== "" && `DNS does not know ${host}; give ${what}`;

/** What differs from one world to another; everything else has a default in config/. */
export const QUESTIONS: readonly Question[] = [
  {
    key: "platform",
    ask: "Where the service runs",
    otherwise: () => "vm",
    choices: [
      ["vm", "on a virtual machine with Docker"],
      ["kubernetes", "on a Kubernetes cluster"],
    ],
  },
  { key: "hostAddress", ask: "The VM's login, ssh://user@host", when: onVm, check: ssh },
  {
    ...{ key: "hostCidr", ask: "The range from which the VM's requests reach Vault", when: onVm },
    otherwise: ({ hostAddress = "" }, probes) => rangeOf(hostOf(hostAddress), probes),
  },
  {
    ...{ key: "kubeContext", ask: "The cluster's context in the kubeconfig", when: onCluster },
    check: async (text, _, { contexts }) => {
      const names = await contexts().catch((error: unknown) => error as Error);
      if (names instanceof Error) return { doubt: names.message };
      return names.includes(text) ? {} : { doubt: `the kubeconfig has ${names.join(", ") || "no context"}` };
    },
  },
  {
    ...{ key: "kubeNamespace", ask: "The namespace, which holds nothing else", when: onCluster },
    otherwise: () => "audit",
  },
  {
    key: "caFile",
    ask: "PEM file with your company's own certificate authority (- for none)",
    optional: true,
    otherwise: () => "",
    check: (text, _, { authority }) => {
      try {
        authority(text);
        return Promise.resolve(isAbsolute(text) || text.startsWith("..") ? { doubt: OUTSIDE } : {});
      } catch (error) {
        return Promise.resolve({ wrong: (error as Error).message });
      }
    },
  },
  {
    key: "image",
    ask: "The service's image as the pipeline pushes it, registry/project/name",
    check: (text) =>
      Promise.resolve(text.includes("@") ? {} : { better: `${text.replace(/:[\w.-]+$/, "")}${NO_DIGEST}` }),
  },
  {
    ...{ key: "registryUsername", ask: "The login by which images are pulled (- for none)", optional: true },
    otherwise: () => "",
  },
  {
    ...{ key: "edgeImage", ask: "Nginx's image, with a tag", check: image, from: "image" },
    otherwise: (all) => below(all, "nginx:1.29"),
  },
  {
    ...{ key: "exporterImage", ask: "The image of nginx-prometheus-exporter, with a tag", check: image, from: "image" },
    otherwise: (all) => below(all, "nginx-prometheus-exporter:1.5"),
  },
  {
    key: "vaultImage",
    ask: "Vault's image, for the agents, with a tag",
    from: "image",
    otherwise: (all) => below(all, "vault:1.21"),
    check: image,
  },
  { key: "databaseHost", ask: "PostgreSQL's name, as the service reaches it" },
  {
    ...{ key: "databasePort", ask: "PostgreSQL's port", otherwise: () => "5432" },
    check: (text, { databaseHost = "" }, probes) => machine(databaseHost, Number(text), probes),
  },
  {
    ...{ key: "databaseName", ask: "The database's name; no other stack on this PostgreSQL may have it" },
    otherwise: () => "audit",
  },
  {
    ...{ key: "databaseRanges", ask: "PostgreSQL's address ranges, with commas between", when: onCluster },
    ...{ from: "databaseHost", check: ranges },
    needed: ({ databaseHost = "" }) => unknown(databaseHost, "PostgreSQL's address range"),
    otherwise: ({ databaseHost = "" }, probes) => rangeOf(databaseHost, probes),
  },
  {
    ...{ key: "vaultAddress", ask: "Vault's address, https://host:8200" },
    check: server("vaultAddress", "Vault", "/v1/sys/seal-status", has("sealed")),
  },
  {
    ...{ key: "vaultRanges", ask: "Vault's address ranges, with commas between", when: onCluster },
    ...{ from: "vaultAddress", check: ranges },
    needed: ({ vaultAddress = "" }) => unknown(hostOf(vaultAddress), "Vault's address range"),
    otherwise: ({ vaultAddress = "" }, probes) => rangeOf(hostOf(vaultAddress), probes),
  },
  {
    ...{ key: "vaultKubernetesMount", ask: "The path of Vault's auth method for this cluster", when: onCluster },
    otherwise: () => "kubernetes",
  },
  { key: "applications", ask: "Applications that send events, with commas between", otherwise: () => "demo" },
  {
    key: "tls",
    ask: "Who ends TLS for the clients",
    otherwise: () => "off",
    choices: [
      ["off", "a balancer in front of Nginx"],
      ["files", "Nginx, with a certificate from two files"],
      ["vault", "Nginx, with a certificate that Vault issues"],
    ],
  },
  {
    ...{ key: "edgeTrustedProxies", ask: "The balancer's addresses or ranges, with commas between (- for none)" },
    ...{ optional: true, when: ({ tls }) => tls === "off" },
    otherwise: () => "",
  },
  { key: "tlsCertificateFile", ask: "The certificate's file", when: ({ tls }) => tls === "files" },
  { key: "tlsKeyFile", ask: "The file of its key", when: ({ tls }) => tls === "files" },
  { key: "tlsPkiRole", ask: "The role of Vault's PKI", when: ({ tls }) => tls === "vault" },
  {
    key: "edgeService",
    ask: "How clients reach Nginx",
    when: onCluster,
    otherwise: () => "loadBalancer",
    choices: [
      ["loadBalancer", "by an address of the cluster's balancer"],
      ["nodePort", "by ports of the nodes"],
    ],
  },
  { key: "edgePort", ask: "The nodes' port for HTTP", when: nodePorts, otherwise: () => "30080" },
  {
    ...{ key: "edgeTlsPort", ask: "The nodes' port for HTTPS", otherwise: () => "30443" },
    when: (answers) => nodePorts(answers) && answers.tls !== "off",
  },
  { key: "edgeMetricsPort", ask: "The nodes' port for metrics", when: nodePorts, otherwise: () => "30145" },
  {
    ...{ key: "serviceUrl", ask: "The service's address, as its clients use it", needed: onCluster },
    otherwise: ({ hostAddress = "" }) => (hostAddress === "" ? "" : `https://${hostOf(hostAddress)}`),
    check: async (text, _, { address }) => {
      const host = hostOf(text);
      if (host === "") return {};
      return address(host).then(
        () => ({}),
        () => ({ doubt: `DNS does not know ${host}` }),
      );
    },
  },
  {
    ...{ key: "prometheusUrl", ask: "Prometheus's address, http://host:9090" },
    check: server("prometheusUrl", "Prometheus", "/api/v1/status/buildinfo", has("data", "version")),
  },
  {
    key: "prometheus",
    ask: "Where Prometheus runs, for the files of targets and rules",
    otherwise: () => "docker",
    choices: [
      ["docker", "on a host with Docker that takes an ssh login"],
      ["host", "on a host without Docker that takes an ssh login"],
      ["nowhere", "where nobody may write files: it asks Nginx for its targets, and Grafana evaluates the alerts"],
      ["operator", "in the cluster, set up by Prometheus' operator; Grafana evaluates the alerts", onCluster],
    ],
  },
  {
    ...{ key: "podMonitorNamespace", ask: "The namespace in which Prometheus runs", when: byOperator },
    otherwise: () => "monitoring",
  },
  {
    ...{ key: "podMonitorLabels", ask: "Labels by which it chooses PodMonitors, name=value with commas between" },
    ...{ when: byOperator, otherwise: () => "release=kube-prometheus-stack" },
  },
  {
    ...{
      key: "prometheusHost",
      ask: "The login to Prometheus's host",
      when: onHost,
      check: ssh,
      from: "prometheusUrl",
    },
    otherwise: ({ prometheusUrl = "" }) => `ssh://deploy@${hostOf(prometheusUrl)}`,
  },
  {
    ...{
      key: "prometheusImage",
      ask: "An image there with a shell",
      when: ({ prometheus }) => prometheus === "docker",
    },
    otherwise: () => "prom/prometheus:v2.53.0",
  },
  {
    ...{ key: "prometheusTargets", ask: "The directory, or volume, of its targets" },
    when: (answers) => onVm(answers) && onHost(answers),
    otherwise: () => "/etc/prometheus/targets",
  },
  {
    ...{ key: "prometheusRules", ask: "The directory, or volume, of its rules", when: onHost },
    otherwise: () => "/etc/prometheus/rules",
  },
  {
    ...{ key: "edgeMetricsAllow", ask: "The addresses from which Prometheus collects metrics" },
    when: (answers) => !byOperator(answers),
    needed: ({ prometheusUrl = "" }) => unknown(hostOf(prometheusUrl), "the addresses of Prometheus"),
    otherwise: ({ prometheusUrl = "" }, { address }) => address(hostOf(prometheusUrl)).catch(() => ""),
  },
  {
    ...{ key: "metricsAddress", ask: "Nginx as Prometheus reaches it, host:port", from: "serviceUrl" },
    otherwise: ({ hostAddress, serviceUrl = "", edgeMetricsPort = "9145" }) =>
      `${hostOf(hostAddress ?? serviceUrl)}:${edgeMetricsPort}`,
  },
  {
    ...{ key: "grafanaUrl", ask: "Grafana's address, with the path if it is below one" },
    check: server("grafanaUrl", "Grafana", "/api/health", has("database")),
  },
  { key: "grafanaDataSource", ask: "uid of the Prometheus data source in Grafana", otherwise: () => "prometheus" },
  {
    ...{ key: "gitlab.url", ask: "GitLab's address" },
    check: server("gitlab.url", "GitLab", "/api/v4/version", has("message")),
  },
  {
    key: "gitlab.project",
    ask: "The project in GitLab, group/name",
    check: (text) =>
      Promise.resolve(
        /^[\w.-]+(\/[\w.-]+)+$/.test(text) ? {} : { wrong: "must be the whole path, such as team/audit" },
      ),
  },
  {
    key: "gitlab.projectId",
    ask: "Its number, as the project's page shows it",
    check: (text) => Promise.resolve(/^[1-9]\d*$/.test(text) ? {} : { wrong: "must be a number, such as 42" }),
  },
];
