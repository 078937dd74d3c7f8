/** Renders nginx.conf. Pure: the exact output is what test/unit/nginx.test.ts asserts. */
import { errorPages, errorReturn, NOT_ALLOWED, NOT_FOUND } from "./errors";

export interface Route {
  /** Path without query, for example "/v1/events". Only this very spelling is let through. */
  path: string;
  /** Methods let through; every other is answered 405. */
  methods: readonly string[];
}

export interface UpstreamGroup {
  /** Name of the group: the slot. */
  name: string;
  servers: readonly { address: string; port: number; name: string }[];
}

export interface TlsConfig {
  /** Port of the TLS listener inside the container; the plain one then only redirects. */
  port: number;
  /** PEM file with the certificate, its chain and its key. Read at each handshake: a new one needs no reload. */
  certificate: string;
  /** Host, and port if it is not 443, to which plain requests are redirected. */
  authority: string;
  /** How long browsers are to keep to HTTPS, in seconds; 0 = no such header. */
  hstsSeconds: number;
}

export interface EdgeLimits {
  /** Largest request body, for example "2m". */
  bodySize: string;
  /** Requests a second of one client, with a burst of as many; 0 = no limit. */
  clientRate: number;
  /** Connections (in HTTP/2: requests under way) of one client; 0 = no limit. */
  clientConnections: number;
}

export interface EdgeConfig {
  /** Port of the public listener inside the container. */
  port: number;
  /** Undefined: plain HTTP, for use behind a balancer that ends TLS. */
  tls?: TlsConfig;
  /** Port of the metrics listener inside the container. */
  metricsPort: number;
  /** Address and port of stub_status, and the one address that may read it. */
  status: { address: string; port: number; reader: string };
  /** `host:port` of nginx-prometheus-exporter. */
  exporter: string;
  upstreams: readonly [UpstreamGroup, UpstreamGroup];
  /** File whose presence sends requests to the second upstream group; absent, they go to the first. */
  flagFile: string;
  /** File whose presence ends each connection with the request that it has: before a reload, which would reset what is kept alive. */
  closingFile: string;
  routes: readonly Route[];
  limits: EdgeLimits;
  /** Balancers whose X-Forwarded-For, X-Forwarded-Proto and X-Request-Id are believed: addresses or ranges. */
  trustedProxies: readonly string[];
  /** Whether who comes around these balancers is answered 403. */
  balancersOnly: boolean;
  /** Addresses or ranges that may collect metrics; everybody else gets 403. */
  metricsAllow: readonly string[];
  /** Files in Prometheus' format that the metrics listener serves, each at `/metrics/<name>`. */
  metricsFiles: readonly { name: string; file: string }[];
  /** The scrape targets for http_sd_configs: the path at which they are served, and the file; 404 while it is not there. */
  targets: { path: string; file: string };
}

/** Header lines that a server gives to each of its answers. */
function commonHeaders({ tls }: EdgeConfig): string[] {
  const hsts = tls === undefined || tls.hstsSeconds === 0 ? [] : [hstsHeader(tls.hstsSeconds)];
  return ["add_header X-Request-Id $id always;", ...hsts];
}

const hstsHeader = (seconds: number): string => `add_header Strict-Transport-Security "max-age=${seconds}" always;`;

function indent(lines: readonly string[], by: number): string {
  return lines.map((line) => (line === "" ? "" : " ".repeat(by) + line)).join("\n");
}

/**
 * An idle connection to a replica is ended by nginx, and before the replica would do it: a request that meets one that is just being
 * ended is lost, since nginx may not send a POST twice. Node and uvicorn end theirs after 5 seconds unless told otherwise.
 */
const UPSTREAM_IDLE_SECONDS = 4;

function upstream(group: UpstreamGroup): string[] {
  return [
    `upstream ${group.name} {`,
    ...group.servers.map((s) => `    server ${s.address}:${s.port};`),
    "    keepalive 64;",
    `    keepalive_timeout ${UPSTREAM_IDLE_SECONDS}s;`,
    "}",
    `upstream ${anyOf(group.name)} {`,
    ...group.servers.map((s) => `    server ${s.address}:${s.port} max_fails=0;`),
    "}",
  ];
}

/**
 * What a client may send before anybody has looked at its token: it stays in memory. Four digits of Content-Length are less than this.
 * Whatever may be larger is stored in /tmp, and only for somebody with a token (docs/decisions/0101).
 */
const BODY_BUFFER = "16k";

/** No answers to anybody: nginx's way to another location that keeps method and body. */
const CHECKED = 418;
const CLOSING_READ = 419;
const CLOSING_WRITE = 420;

/** Where nginx asks whether a token is known. An image that has no such path is believed to take any. */
const TOKEN_CHECK = "/v1/access";

/** Whether a body is sure to stay in memory. In HTTP/2 also a request without a length may have one. */
function bodies(): string[] {
  return [
    'map "$content_length $http_transfer_encoding $server_protocol" $body {',
    "    default stored;",
    '    "~^[0-9]{1,4} " small;',
    '    "~^  HTTP/1" none;',
    "}",
  ];
}

/** Asks the service for the token, by the headers alone. To any replica: one that nginx thinks away may be the one that serves again. */
function tokenCheck(): string[] {
  return [
    "# Nobody makes nginx store a body without a token. What is small is not stored, and costs no question.",
    `error_page ${CHECKED} = @checked;`,
    "location @checked {",
    "    auth_request /.token;",
    "    proxy_pass http://$release;",
    "}",
    "location = /.token {",
    "    internal;",
    "    if ($body != stored) { return 204; }",
    `    proxy_pass http://${anyOf("$release")}${TOKEN_CHECK};`,
    // It needs no database. A replica that hangs would keep every other large body waiting.
    "    proxy_read_timeout 2s;",
    "    proxy_pass_request_body off;",
    '    proxy_set_header Content-Length "";',
    '    proxy_set_header Connection "";',
    "    proxy_set_header Host $host;",
    "    proxy_set_header X-Request-Id $id;",
    "    proxy_intercept_errors on;",
    "    error_page 301 302 307 308 400 404 405 501 = /.error/unchecked;",
    "}",
    "location = /.error/unchecked { internal; return 204; }",
  ];
}

/** A location cannot choose by a variable whether connections are kept alive, so those that are to end have locations of their own. */
function closing(): string[] {
  return [
    "# While nginx is about to take in another configuration: its old workers reset the connections that are kept alive, also those on",
    "# which a request is just arriving. What was told to close comes back by a new connection, and those are served to their end.",
    `error_page ${CLOSING_READ} = @closing_read;`,
    "location @closing_read {",
    "    keepalive_timeout 0;",
    `    ${NO_BODY}`,
    "    proxy_pass http://$release;",
    "}",
    `error_page ${CLOSING_WRITE} = @closing_write;`,
    "location @closing_write {",
    "    keepalive_timeout 0;",
    "    auth_request /.token;",
    "    proxy_pass http://$release;",
    "}",
  ];
}

/** A route that only reads takes no body; 0 would be no limit. */
const NO_BODY = "client_max_body_size 1;";

/**
 * A location for this path as the client spelt it. nginx resolves escapes and dots before it matches, and passes on the path as it came:
 * `/reload;/../v1/events` is /v1/events to nginx, and /reload to a framework that ends a path at a semicolon (docs/decisions/0100).
 */
function exactly(path: string, lines: readonly string[]): string[] {
  return [
    `location = ${path} {`,
    `    if ($path != ${path}) { ${errorReturn(NOT_FOUND)} }`,
    ...lines.map((line) => `    ${line}`),
    "}",
  ];
}

function location(route: Route, headers: readonly string[], config: EdgeConfig): string[] {
  const { closingFile, balancersOnly } = config;
  const allowed = route.methods.includes("GET") ? [...route.methods, "HEAD"] : [...route.methods];
  const refusal = [`add_header Allow "${allowed.join(", ")}" always;`, ...headers, errorReturn(NOT_ALLOWED)];
  const reads = route.methods.every((method) => method === "GET" || method === "HEAD");
  return exactly(route.path, [
    ...(balancersOnly ? ["if ($balancer = 0) { return 403; }"] : []),
    `if ($request_method !~ ^(${allowed.join("|")})$) { ${refusal.join(" ")} }`,
    `if (-f ${closingFile}) { return ${reads ? CLOSING_READ : CLOSING_WRITE}; }`,
    reads ? NO_BODY : `if ($body = stored) { return ${CHECKED}; }`,
    "proxy_pass http://$release;",
  ]);
}

/**
 * What a trusted balancer says about its client is believed, of everybody else nothing is. On the public listeners alone: who may collect
 * metrics is told by the connection's own address.
 */
function realAddress({ trustedProxies }: EdgeConfig): string[] {
  if (trustedProxies.length === 0) return [];
  const from = trustedProxies.map((range) => `set_real_ip_from ${range};`);
  return [...from, "real_ip_header X-Forwarded-For;", "real_ip_recursive on;"];
}

/** A client is known by its address; of IPv6 by the first half of it, since whoever has one has all that begin so. */
function clients({ trustedProxies, limits }: EdgeConfig): string[] {
  return [
    "geo $realip_remote_addr $balancer {",
    "    default 0;",
    ...trustedProxies.map((range) => `    ${range} 1;`),
    "}",
    'map "$balancer $http_x_request_id" $id {',
    "    default $request_id;",
    '    "~^1 (?<given>[A-Za-z0-9_.:-]{8,64})$" $given;',
    "}",
    'map "$balancer $http_x_forwarded_proto" $client_scheme {',
    "    default $scheme;",
    '    "1 http" http;',
    '    "1 https" https;',
    "}",
    "map $binary_remote_addr $client {",
    "    default $binary_remote_addr;",
    '    "~(?s)^(?<network>.{8}).{8}\\z" $network;',
    "}",
    ...(limits.clientRate === 0
      ? []
      : [`limit_req_zone $client zone=rate:10m rate=${limits.clientRate}r/s;`, "limit_req_status 429;"]),
    ...(limits.clientConnections === 0
      ? []
      : ["limit_conn_zone $client zone=connections:10m;", "limit_conn_status 429;"]),
  ];
}

/** Mozilla's "intermediate" profile: every client of the last years, and no cipher without forward secrecy. */
function encryption(): string[] {
  return [
    "ssl_protocols TLSv1.2 TLSv1.3;",
    "ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305;",
    "ssl_prefer_server_ciphers off;",
    "ssl_session_cache shared:tls:10m;",
    "ssl_session_timeout 1h;",
    "ssl_session_tickets off;",
    // With a variable in its name the file is read at each handshake; with a plain name, at start and reload only.
    "ssl_certificate $certificate;",
    "ssl_certificate_key $certificate;",
  ];
}

/** Which release serves at this moment. */
function release({ upstreams: [first, second], flagFile }: EdgeConfig): string[] {
  return [`set $release ${first.name};`, `if (-f ${flagFile}) { set $release ${second.name}; }`];
}

/** Name of the group with the same servers that {@link again} uses: there nginx tries each of them, whatever it thinks of them. */
const anyOf = (name: string): string => `any_${name}`;

/**
 * nginx chooses the release when a request begins, and passes it on when its body is there: by then a switch may be over. And a server
 * that could not be reached is left alone for ten seconds, which would be all servers of a slot that was stopped and serves again.
 */
function again(config: EdgeConfig): string[] {
  return [
    "# What no replica took goes to what serves now: a client that sends slowly may have begun before a switch, and what served then is",
    "# stopped. A request that a replica did take may have been stored, and is not sent twice.",
    "location @again {",
    "    error_page 500 502 503 504 = /.error/503;",
    "    if ($upstream_connect_time ~ [0-9]) { return 503; }",
    ...release(config).map((line) => `    ${line}`),
    `    proxy_pass http://${anyOf("$release")};`,
    "}",
  ];
}

/** The listener of the service itself, and with TLS the plain one beside it, which sends every known path over there. */
function servers(config: EdgeConfig): string[] {
  const { tls, limits, routes } = config;
  const headers = commonHeaders(config);
  const errors = errorPages(headers, "@again");
  const main = [
    "# The only way in: what is not listed here does not exist.",
    "server {",
    ...(tls === undefined ? [`    listen ${config.port};`] : [`    listen ${tls.port} ssl;`, "    http2 on;"]),
    "    server_name _;",
    ...realAddress(config).map((line) => `    ${line}`),
    ...(tls === undefined ? [] : encryption().map((line) => `    ${line}`)),
    ...headers.map((line) => `    ${line}`),
    ...(limits.clientRate === 0 ? [] : [`    limit_req zone=rate burst=${limits.clientRate} nodelay;`]),
    ...(limits.clientConnections === 0 ? [] : [`    limit_conn connections ${limits.clientConnections};`]),
    "",
    "    # A release is put in charge by a file, not by a reload: a reload resets keep-alive connections under load.",
    ...release(config).map((line) => `    ${line}`),
    "",
    ...routes.flatMap((route) => location(route, headers, config)).map((line) => `    ${line}`),
    `    location / { ${errorReturn(NOT_FOUND)} }`,
    "",
    "    # What was handed on may fail there too, and is then answered as an error from here is.",
    "    recursive_error_pages on;",
    ...again(config).map((line) => `    ${line}`),
    "",
    ...tokenCheck().map((line) => `    ${line}`),
    "",
    ...closing().map((line) => `    ${line}`),
    ...errors.map((line) => `    ${line}`),
    "}",
  ];
  if (tls === undefined) return main;
  return [
    ...main,
    "",
    "# Plain HTTP: what there is, is over there.",
    "server {",
    `    listen ${config.port};`,
    "    server_name _;",
    ...realAddress(config).map((line) => `    ${line}`),
    "    add_header X-Request-Id $id always;",
    "    set $release redirect;",
    ...routes
      .flatMap(({ path }) => exactly(path, [`return 308 https://${tls.authority}${path}$is_args$args;`]))
      .map((line) => `    ${line}`),
    `    location / { ${errorReturn(NOT_FOUND)} }`,
    "",
    ...errorPages(["add_header X-Request-Id $id always;"]).map((line) => `    ${line}`),
    "}",
  ];
}

function metricsLocations(config: EdgeConfig): string[] {
  return [
    ...exactly(config.targets.path, [`alias ${config.targets.file};`]),
    ...exactly("/metrics/nginx", [`proxy_pass http://${config.exporter}/metrics;`]),
    ...config.metricsFiles.flatMap(({ name, file }) =>
      exactly(`/metrics/${name}`, ["default_type text/plain;", `alias ${file};`]),
    ),
    ...config.upstreams.flatMap((group) =>
      group.servers.flatMap((s) =>
        exactly(`/metrics/${s.name}`, [`proxy_pass http://${s.address}:${s.port}/metrics;`]),
      ),
    ),
  ];
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

    # As they were asked for: an error of nginx's own is answered by way of another path. Without the query, which may name an actor.
    map $request $method { default $request_method; "~^(?<verb>[A-Z]+) " $verb; }
    map $request_uri $path { default $uri; "~^(?<asked>[^?]+)" $asked; }
    log_format json escape=json '{"time":"$time_iso8601","id":"$id","client":"$remote_addr","method":"$method",'
        '"path":"$path","status":$status,"bytes":$body_bytes_sent,"seconds":$request_time,"release":"$release",'
        '"upstream":"$upstream_addr","upstreamSeconds":"$upstream_response_time"}';
    # By blocks, since Docker's part in each write costs as much as passing the request on. No more than a pipe takes as one, or the
    # workers' lines would mix.
    access_log /dev/stdout json buffer=4k flush=1s;

    client_max_body_size ${config.limits.bodySize};
    client_body_buffer_size ${BODY_BUFFER};
    # A slow client is waited for this long, for its headers in all and for its body between two reads.
    client_header_timeout 10s;
    client_body_timeout 10s;
    # And this long while it reads nothing of an answer: who exports may have to store what it got first. Only those with a token get
    # answers that do not fit into the kernel's buffers.
    send_timeout 5m;
    keepalive_timeout 65s;
    # The default, 1000, would close a busy client's connection every few seconds.
    keepalive_requests 100000;
    reset_timedout_connection on;

${indent([...clients(config), ...bodies()], 4)}
${config.tls === undefined ? "" : `    map "" $certificate { default ${config.tls.certificate}; }\n`}
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $host;
    proxy_set_header X-Request-Id $id;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $client_scheme;
    proxy_hide_header X-Request-Id;
    proxy_connect_timeout 2s;
    proxy_read_timeout 35s;
    # An answer waits in the service for a client that reads slowly: what nginx would put on disk for it has no bound.
    proxy_max_temp_file_size 0;

${indent([...upstream(first), "", ...upstream(second)], 4)}

${indent(servers(config), 4)}

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

${indent(metricsLocations(config), 8)}
        location / { ${errorReturn(NOT_FOUND)} }
${indent(errorPages([]), 8)}
    }

    # For the exporter beside nginx alone.
    server {
        listen ${config.status.address}:${config.status.port};
        server_name _;
        set $release status;
        access_log off;
        allow ${config.status.reader};
        deny all;
${indent(exactly("/stub_status", ["stub_status;"]), 8)}
        location / { ${errorReturn(NOT_FOUND)} }
    }
}
`;
}
