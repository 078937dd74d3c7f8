/** Renders nginx.conf. Pure: the exact output is what test/unit/nginx.test.ts asserts. */

export interface Route {
  /** Path without query, for example "/v1/events". */
  path: string;
  /** `exact` (default) matches this path alone, `prefix` also everything below it. */
  match?: "exact" | "prefix";
  /** Methods let through; every other is answered 405. */
  methods: readonly string[];
}

export interface UpstreamGroup {
  /** Name of the group: the slot. */
  name: string;
  servers: readonly { address: string; port: number; name: string }[];
}

export interface EdgeConfig {
  /** Port of the public listener inside the container. */
  port: number;
  /** Port of the metrics listener inside the container. */
  metricsPort: number;
  /** Address and port of stub_status, and the one address that may read it. */
  status: { address: string; port: number; reader: string };
  /** `host:port` of nginx-prometheus-exporter. */
  exporter: string;
  upstreams: readonly [UpstreamGroup, UpstreamGroup];
  /** File whose presence sends requests to the second upstream group; absent, they go to the first. */
  flagFile: string;
  routes: readonly Route[];
  /** Largest request body, for example "2m". */
  bodySize: string;
  /** Addresses or ranges that may collect metrics; everybody else gets 403. */
  metricsAllow: readonly string[];
}

/** An error body like the service's own. */
function errorBody(statusCode: number, error: string): string {
  return `return ${statusCode} '${JSON.stringify({ statusCode, error })}\\n';`;
}

/** What nginx itself may answer, and how it is said. */
const ERRORS: readonly { codes: readonly number[]; status: number; error: string; header?: string }[] = [
  { codes: [400], status: 400, error: "Bad Request" },
  { codes: [404], status: 404, error: "Not Found" },
  { codes: [413], status: 413, error: "Payload Too Large" },
  { codes: [414], status: 414, error: "URI Too Long" },
  { codes: [502, 503, 504], status: 503, error: "Service Unavailable", header: "add_header Retry-After 1 always;" },
];

function errorPage({ codes, status, error, header }: (typeof ERRORS)[number]): string[] {
  return [
    `error_page ${codes.join(" ")} = /.error/${status};`,
    `location = /.error/${status} { internal; ${header === undefined ? "" : `${header} `}${errorBody(status, error)} }`,
  ];
}

function indent(lines: readonly string[], by: number): string {
  return lines.map((line) => (line === "" ? "" : " ".repeat(by) + line)).join("\n");
}

function upstream(group: UpstreamGroup): string[] {
  return [
    `upstream ${group.name} {`,
    ...group.servers.map((s) => `    server ${s.address}:${s.port};`),
    "    keepalive 64;",
    "}",
  ];
}

function location(route: Route): string[] {
  const modifier = route.match === "prefix" ? "^~" : "=";
  const allowed = route.methods.includes("GET") ? [...route.methods, "HEAD"] : [...route.methods];
  return [
    `location ${modifier} ${route.path} {`,
    `    if ($request_method !~ ^(${allowed.join("|")})$) { ${errorBody(405, "Method Not Allowed")} }`,
    "    proxy_pass http://$release;",
    "}",
  ];
}

function replicaMetrics(config: EdgeConfig): string[] {
  return config.upstreams.flatMap((group) =>
    group.servers.map((s) => `location = /metrics/${s.name} { proxy_pass http://${s.address}:${s.port}/metrics; }`),
  );
}

export function renderNginxConfig(config: EdgeConfig): string {
  const [first, second] = config.upstreams;
  return `# Written by the EdgeProxy component; changes made here are overwritten by the next deploy.
worker_processes auto;
worker_rlimit_nofile 16384;
pid /tmp/nginx.pid;
error_log stderr warn;

events {
    worker_connections 4096;
}

http {
    server_tokens off;
    default_type application/json;
    client_body_temp_path /tmp/client_body;
    proxy_temp_path /tmp/proxy;
    fastcgi_temp_path /tmp/fastcgi;
    uwsgi_temp_path /tmp/uwsgi;
    scgi_temp_path /tmp/scgi;

    log_format json escape=json '{"time":"$time_iso8601","id":"$request_id","client":"$remote_addr","method":"$request_method",'
        '"path":"$uri","status":$status,"bytes":$body_bytes_sent,"seconds":$request_time,"release":"$release",'
        '"upstream":"$upstream_addr","upstreamSeconds":"$upstream_response_time"}';
    access_log /dev/stdout json;

    client_max_body_size ${config.bodySize};
    client_header_timeout 10s;
    client_body_timeout 10s;
    send_timeout 10s;
    keepalive_timeout 65s;

    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $host;
    proxy_set_header X-Request-Id $request_id;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_connect_timeout 2s;
    proxy_read_timeout 35s;

${indent([...upstream(first), "", ...upstream(second)], 4)}

    # The only way in: what is not listed here does not exist.
    server {
        listen ${config.port};
        server_name _;

        # A release is put in charge by a file, not by a reload: a reload resets keep-alive connections under load.
        set $release ${first.name};
        if (-f ${config.flagFile}) { set $release ${second.name}; }

${indent(config.routes.flatMap(location), 8)}
        location / { ${errorBody(404, "Not Found")} }

        # To paths, not to named locations: those cannot take a request whose URI could not be read.
${indent(ERRORS.flatMap(errorPage), 8)}
    }

    # For Prometheus: every replica by name, and nginx itself by its exporter.
    server {
        listen ${config.metricsPort};
        server_name _;
        set $release metrics;
        access_log off;
${indent(
  config.metricsAllow.map((range) => `allow ${range};`),
  8,
)}
        deny all;

        location = /metrics/nginx { proxy_pass http://${config.exporter}/metrics; }
${indent(replicaMetrics(config), 8)}
        location / { ${errorBody(404, "Not Found")} }
    }

    # For the exporter beside nginx alone.
    server {
        listen ${config.status.address}:${config.status.port};
        server_name _;
        set $release status;
        access_log off;
        allow ${config.status.reader};
        deny all;
        location = /stub_status { stub_status; }
        location / { ${errorBody(404, "Not Found")} }
    }
}
`;
}
