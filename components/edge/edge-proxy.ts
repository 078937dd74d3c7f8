import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { renderNginxConfig } from "../../nginx/render";
import { argumentName } from "../../lib/argument-names";
import { BACKGROUND_SHARES } from "../../lib/cpu-weight";
import type { DockerHost } from "../vm/docker-host";
import { EdgeCertificate, type CertificateSource } from "./edge-certificate";
import { heldUntil } from "../../lib/held";
import { hardened, LOG_OPTIONS, pidsLimit, scratch } from "../vm/hardening";
import { HostFiles } from "../vm/host-files";
import { bareHost } from "../../lib/network-address";
import { freePortsScript } from "../vm/preflight";
import { scriptLine, scriptWords } from "../host/script-file";
import { beforeFixedAddress, type SlotsAsSeen } from "../release/slots";
import type { VaultForAgents } from "../secrets/vault-access";
import type { AgentMetrics } from "../secrets/vault-agent";
import type { Vm } from "../vm/vm";
import { configOf, type ClientRules } from "./client-rules";

/** The nginx user of the official image. The number matters: it owns the tmpfs directories that nginx writes to. */
const NGINX_USER = "101:101";
const LISTEN_PORT = 8080;
const TLS_PORT = 8443;
const METRICS_PORT = 9145;
const STATUS_PORT = 8082;
const EXPORTER_PORT = 9113;
/** Where the configuration's volume is mounted. */
const CONFIG_DIRECTORY = "/etc/audit-edge";
const CONFIG_FILE = `${CONFIG_DIRECTORY}/nginx.conf`;
/**
 * On a tmpfs of nginx's container, so that a close begun before the container stopped is not continued after its
 * restart.
 */
const CLOSING_FILE = "/tmp/closing";
/**
 * Seconds before a reload in which nginx closes keep-alive connections by its answers. A client that sends less often
 * is hardly affected.
 */
const CLOSING_SECONDS = 5;

export interface EdgeProxyArgs extends ClientRules {
  vm: Vm;
  /** Nginx and nginx-prometheus-exporter by digest. */
  images: { nginx: string; exporter: string };
  /** The replicas of both slots, and how to tell which slot is active: a {@link Slots}, even for one container. */
  slots: SlotsAsSeen;
  /** Ports of the VM; the TLS port is used only with a certificate. */
  listen: { port: number; tlsPort: number; metricsPort: number };
  /**
   * Where its certificate comes from. With a certificate the edge speaks TLS and HTTP/2, and plain HTTP only redirects.
   * Default: plain HTTP.
   */
  certificate?: CertificateSource;
  /** Needed for a certificate from Vault. */
  vault?: VaultForAgents;
  /** The agents whose metrics the metrics listener serves, at `/metrics/<key>`; default none. */
  agents?: Readonly<Record<string, AgentMetrics>>;
}

/** A file that the edge's metrics listener serves. */
export interface PublishedFiles {
  /** The edge's machine, a Docker volume there, and the file's name in it. */
  host: DockerHost;
  volume: string;
  file: string;
  /** Path at which it is served. */
  path: string;
}

/**
 * Nginx as the only way in, and its metrics exporter. Routes are an allow-list. Nginx is not on the network of the
 * service's admin port, so that no mistake in its configuration can expose `/reload`.
 *
 * If `nginx -t` rejects a configuration, the deploy fails and the last good one stays in force.
 *
 * What it passes requests to are the replicas of {@link Slots}; use that even for one container. {@link AuditService}
 * makes the containers and promotes them; `examples/one-port` in the repository is a whole program for an image of
 * another make.
 *
 * @example
 * const last = await lastRun();
 * const slots = new Slots("audit-svc", {
 *   vm,
 *   spec: { image: "registry/audit-svc@sha256:...", replicas: 1 },
 *   previous: last.releases,
 * });
 * const edge = new EdgeProxy("edge", {
 *   vm,
 *   slots,
 *   images: { nginx: "registry/nginx@sha256:...", exporter: "registry/nginx-prometheus-exporter@sha256:..." },
 *   routes: [{ path: "/v1/events", methods: ["GET", "POST"] }],
 *   listen: { port: 80, tlsPort: 443, metricsPort: 9145 },
 *   certificate: { by: "files", certificateFile: "edge.pem", keyFile: "edge.key" },
 *   metricsAllow: ["10.0.0.9"],
 *   publicUrl: "https://audit.example.com",
 * });
 * export const url = edge.url;
 */
export class EdgeProxy extends pulumi.ComponentResource {
  readonly url: pulumi.Output<string>;
  /** Where the metrics listener serves scrape targets from, once it runs. */
  readonly targets: PublishedFiles;
  /** Names of what the metrics listener serves at `/metrics/<name>` besides the replicas and the exporter. */
  readonly otherMetrics: readonly string[];
  /** Known once the agent has fetched the certificate, or it is copied; undefined without a certificate. */
  readonly certificateVolume: pulumi.Output<string> | undefined;

  constructor(name: string, args: EdgeProxyArgs, opts?: pulumi.ComponentResourceOptions) {
    super("audit:index:EdgeProxy", name, {}, opts);
    const { vm } = args;
    const certificate = this.#createCertificate(name, args);
    const agents = Object.entries({
      ...args.agents,
      ...(certificate?.agentMetrics && { "certificate-agent": certificate.agentMetrics }),
    });
    const metricsFiles = [
      ...(certificate ? [{ name: "certificate", file: certificate.metrics }] : []),
      ...agents.map(([agent, { file }]) => ({ name: agent, file })),
    ];
    this.certificateVolume = certificate?.volume;
    this.targets = { host: vm, volume: `${name}-config`, file: "targets.json", path: "/targets" };
    this.otherMetrics = metricsFiles.map((served) => served.name);

    const image = vm.image(`${name}-nginx-image`, args.images.nginx, { parent: this });
    const volume = new docker.Volume(
      `${name}-config`,
      { name: `${name}-config` },
      { parent: this, provider: vm.provider },
    );
    const configuration = this.#createConfiguration(name, args, {
      certificate,
      metricsFiles,
      // While the network is being replaced, the old nginx could not listen on its new address when it reloads.
      dependsOn: [volume, image, vm.networks.front],
    });
    const nginx = this.#createNginx(name, args, {
      image: image.imageId,
      volume,
      mounts: [
        ...(certificate
          ? [{ type: "volume", source: certificate.volume, target: certificate.directory, readOnly: true }]
          : []),
        ...agents.map(([, { volume: source, directory: target }]) => ({
          type: "volume",
          source,
          target,
          readOnly: true,
        })),
      ],
      tls: certificate !== undefined,
      dependsOn: [configuration],
    });
    const exporter = this.#createExporter(name, args);
    const limited = [
      pidsLimit(`${name}-nginx-pids`, vm, nginx, 64, { parent: this }),
      pidsLimit(`${name}-exporter-pids`, vm, exporter, 64, { parent: this }),
    ];

    this.url = heldUntil(limited, args.publicUrl);
    this.registerOutputs({ url: this.url });
  }

  #createCertificate(name: string, { vm, vault, certificate, publicUrl }: EdgeProxyArgs): EdgeCertificate | undefined {
    if (certificate === undefined) return undefined;
    return new EdgeCertificate(
      `${name}-certificate`,
      { vm, vault, source: certificate, serverName: bareHost(new URL(publicUrl).hostname) },
      // Earlier versions had it as a sibling of this component.
      { parent: this, aliases: [{ parent: pulumi.rootStackResource }] },
    );
  }

  /** Writes nginx.conf to its volume once `nginx -t` has accepted it, and reloads a running nginx. */
  #createConfiguration(
    name: string,
    args: EdgeProxyArgs,
    to: {
      certificate: EdgeCertificate | undefined;
      metricsFiles: { name: string; file: string }[];
      dependsOn: pulumi.Resource[];
    },
  ): HostFiles {
    const { slots } = args;
    const { front } = args.vm.networks.addresses;
    const upstream = (slot: "blue" | "green") => ({ name: slot, servers: slots.plan.replicas[slot] });
    const text = renderNginxConfig({
      port: LISTEN_PORT,
      metricsPort: METRICS_PORT,
      status: { address: front.edge, port: STATUS_PORT, reader: front.exporter },
      exporter: `${front.exporter}:${EXPORTER_PORT}`,
      upstreams: [upstream("blue"), upstream("green")],
      markerFile: slots.marker.file,
      closingFile: CLOSING_FILE,
      ...configOf(args, to.certificate && { port: TLS_PORT, certificate: to.certificate.certificate }),
      metricsFiles: to.metricsFiles,
      targets: { path: this.targets.path, file: `${CONFIG_DIRECTORY}/${this.targets.file}` },
    });
    return new HostFiles(
      `${name}-config`,
      {
        host: args.vm,
        target: `${name}-config`,
        image: args.images.nginx,
        files: { "nginx.conf": text },
        check: scriptWords("check-nginx.sh", [front.edge]),
        then: reloadScript(`${name}-nginx`, CONFIG_FILE),
        dependsOn: to.dependsOn,
      },
      { parent: this },
    );
  }

  #createNginx(
    name: string,
    args: EdgeProxyArgs,
    given: {
      image: pulumi.Input<string>;
      /** Holds the configuration. */
      volume: docker.Volume;
      mounts: docker.types.input.ContainerMount[];
      tls: boolean;
      dependsOn: pulumi.Resource[];
    },
  ): docker.Container {
    const { vm, slots, listen } = args;
    const { addresses, front, edge } = vm.networks;
    const port = (internal: number, name: "port" | "tlsPort" | "metricsPort") => ({
      internal,
      external: listen[name],
      setting: argumentName(`EdgeProxy: listen.${name}`),
    });
    const ports = [
      port(LISTEN_PORT, "port"),
      ...(given.tls ? [port(TLS_PORT, "tlsPort")] : []),
      port(METRICS_PORT, "metricsPort"),
    ];
    const free = vm.script(
      `${name}-ports`,
      {
        script: freePortsScript({
          container: `${name}-nginx`,
          image: vm.tools,
          network: vm.networks.names.edge,
          ports: ports.map(({ external, setting }) => ({ port: external, setting })),
        }),
      },
      { parent: this, dependsOn: [edge] },
    );
    return new docker.Container(
      `${name}-nginx`,
      {
        ...hardened({ memory: 128, user: NGINX_USER }),
        name: `${name}-nginx`,
        image: given.image,
        entrypoints: ["nginx"],
        command: ["-c", CONFIG_FILE, "-g", "daemon off;"],
        networksAdvanced: [{ name: edge.name }, { name: front.name, ipv4Address: addresses.front.edge }],
        ports: ports.map(({ internal, external }) => ({ internal, external })),
        mounts: [
          { type: "volume", source: given.volume.name, target: CONFIG_DIRECTORY, readOnly: true },
          { type: "volume", source: slots.marker.volume, target: slots.marker.directory, readOnly: true },
          ...given.mounts,
          scratch("/tmp", 64),
        ],
        // SIGQUIT lets nginx finish the requests it has; SIGTERM does not.
        stopSignal: "SIGQUIT",
        logOpts: LOG_OPTIONS,
      },
      // Name, address and published ports are fixed, so the old container must be removed first.
      {
        parent: this,
        ...vm.named(`${name}-nginx`),
        dependsOn: [...given.dependsOn, free, ...beforeFixedAddress(slots)],
      },
    );
  }

  #createExporter(name: string, { vm, images, slots }: EdgeProxyArgs): docker.Container {
    const { addresses, front } = vm.networks;
    const image = vm.image(`${name}-exporter-image`, images.exporter, { parent: this });
    return new docker.Container(
      `${name}-exporter`,
      {
        ...hardened({ memory: 64, user: "65534:65534", shares: BACKGROUND_SHARES }),
        name: `${name}-exporter`,
        image: image.imageId,
        command: [
          `--nginx.scrape-uri=http://${addresses.front.edge}:${STATUS_PORT}/stub_status`,
          `--web.listen-address=${addresses.front.exporter}:${EXPORTER_PORT}`,
        ],
        networksAdvanced: [{ name: front.name, ipv4Address: addresses.front.exporter }],
        logOpts: LOG_OPTIONS,
      },
      { parent: this, ...vm.named(`${name}-exporter`), dependsOn: beforeFixedAddress(slots) },
    );
  }
}

/** Shell line for the VM that reloads a running nginx without losing a request. */
function reloadScript(container: string, file: string): string {
  return scriptLine("reload-nginx.sh", [
    container,
    ...scriptWords("close-and-reload.sh", [file, CLOSING_FILE, CLOSING_SECONDS]),
  ]);
}
