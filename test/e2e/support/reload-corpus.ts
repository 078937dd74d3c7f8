import { detours, PATHS } from "../../../ci/lib/hidden-paths";

/**
 * Requests that try to reach `/reload` or `/metrics` through the edge, as bytes, because an HTTP library would refuse
 * to send most of them.
 */
export interface RawRequest {
  name: string;
  bytes: Buffer;
  /** Allowed answers besides 400 and 404; the name gives the reason. */
  also?: readonly number[];
}

/** Whether a path without its query is a route of the service, which then decides the answer. */
const leadsElsewhere = (path: string): boolean => /^\/(v1\/events|healthz|openapi\.json)\?/.test(path);

export function reloadCorpus(host: string): RawRequest[] {
  const raw = (name: string, text: string, also?: readonly number[]): RawRequest => ({
    name,
    bytes: Buffer.from(text, "latin1"),
    ...(also === undefined ? {} : { also }),
  });
  const head = `Host: ${host}\r\nConnection: close\r\n`;
  const post = (target: string, rest = "Content-Length: 0\r\n\r\n") => `POST ${target} HTTP/1.1\r\n${head}${rest}`;
  const keep = (target: string) => `POST ${target} HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 0\r\n\r\n`;
  const smuggled = `POST /reload HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 0\r\n\r\n`;
  const size = smuggled.length.toString(16);

  const paths = PATHS.map((path) =>
    raw(
      `path ${path}`,
      Buffer.from(post(path), "utf8").toString("latin1"),
      leadsElsewhere(path) ? [401, 405] : undefined,
    ),
  );
  const led = ["/v1/events", "/v1/events?limit=1", "/healthz", "/openapi.json"].flatMap((to) =>
    detours(to).flatMap((path) => [
      raw(`detour ${path}`, post(path)),
      raw(`detour to an absolute target, ${path}`, post(`http://${host}${path}`)),
    ]),
  );
  const methods = [
    "GET",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "HEAD",
    "PROPFIND",
    "post",
    "Post",
    "RELOAD",
    "PURGE",
  ].map((m) => raw(`method ${m}`, `${m} /reload HTTP/1.1\r\n${head}Content-Length: 0\r\n\r\n`));
  const controls = Array.from({ length: 0x21 }, (_, c) => c)
    .filter((c) => c !== 0x0a && c !== 0x0d && c !== 0x20)
    .map((c) => raw(`byte ${c} in the path`, post(`/reload${String.fromCharCode(c)}`)));
  const high = [0x7f, 0x80, 0xa0, 0xad, 0xc0, 0xff].map((c) =>
    raw(`byte ${c} before the path`, post(`/${String.fromCharCode(c)}reload`)),
  );
  const targets = [
    ...[
      `http://${host}/reload`,
      `http://${host}//reload`,
      `HTTP://${host}/reload`,
      `https://${host}/reload`,
      "http://localhost:8081/reload",
    ],
    ...[
      "http://172.29.97.16:8081/reload",
      `http://a@${host}/reload`,
      `http://${host}/a/../reload`,
      `http://${host}?/reload`,
      "reload",
    ],
    ...[
      "*",
      "*/reload",
      "./reload",
      "../reload",
      "\\reload",
      "http:///reload",
      "http:/reload",
      "file:///reload",
      "gopher://x/reload",
    ],
  ].map((target) => raw(`target ${target}`, post(target)));
  const tunnels = ["/reload", `${host}/reload`, "172.29.97.16:8081", "localhost:8081"].map((target) =>
    raw(`CONNECT ${target}: the method is known and never allowed`, `CONNECT ${target} HTTP/1.1\r\n${head}\r\n`, [405]),
  );
  const versions = [
    raw("HTTP/1.0", `POST /reload HTTP/1.0\r\nContent-Length: 0\r\n\r\n`),
    raw("HTTP/1.0 with a host", `POST /reload HTTP/1.0\r\nHost: ${host}\r\nContent-Length: 0\r\n\r\n`),
    raw("HTTP/2 by word of mouth", `POST /reload HTTP/2.0\r\n${head}\r\n`),
    raw("HTTP/1.9", `POST /reload HTTP/1.9\r\n${head}Content-Length: 0\r\n\r\n`),
    raw("HTTP/9.9", `POST /reload HTTP/9.9\r\n${head}\r\n`),
    raw("no version", `POST /reload\r\n\r\n`),
    raw("tabs", `POST\t/reload\tHTTP/1.1\r\n${head}\r\n`),
    raw("two blanks", `POST  /reload  HTTP/1.1\r\n${head}\r\n`),
    raw("bare line feeds", `POST /reload HTTP/1.1\nHost: ${host}\nConnection: close\nContent-Length: 0\n\n`),
    raw("TRACE: known and never allowed", `TRACE /reload HTTP/1.1\r\n${head}\r\n`, [405]),
    raw("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    raw("no host", "POST /reload HTTP/1.1\r\nConnection: close\r\n\r\n"),
    raw("two hosts", `POST /reload HTTP/1.1\r\n${head}Host: other\r\n\r\n`),
  ];
  const headers = [
    ...[
      "X-Original-URL: /reload",
      "X-Rewrite-URL: /reload",
      "X-Forwarded-Prefix: /reload",
      "X-Accel-Redirect: /reload",
      "X-HTTP-Method-Override: POST",
    ],
    ...[
      "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__",
      "Upgrade: websocket\r\nConnection: Upgrade",
      "Expect: 100-continue",
    ],
    ...["X-Forwarded-For: 127.0.0.1", "Forwarded: for=127.0.0.1;host=localhost", "X-Forwarded-Host: localhost:8081"],
  ].map((line) =>
    // A client that expects a 100 gets it first, as HTTP requires.
    raw(
      `header ${line.replaceAll("\r\n", ", ")}`,
      post("/reload", `${line}\r\nContent-Length: 0\r\n\r\n`),
      line.startsWith("Expect") ? [100] : undefined,
    ),
  );
  const pipelines = [
    raw("two at once", keep("/reload") + post("/reload")),
    raw("five at once", keep("/reload").repeat(4) + post("/reload")),
    raw(
      "behind a health check, which is answered 200",
      `GET /healthz HTTP/1.1\r\nHost: ${host}\r\n\r\n${post("/reload")}`,
      [200],
    ),
    raw("behind an event without a token, which is answered 401", keep("/v1/events") + post("/reload"), [401, 415]),
  ];
  const coding = (name: string, lines: string, body: string) =>
    raw(
      `smuggled: ${name}; the carrier is answered 401`,
      `POST /v1/events HTTP/1.1\r\n${head}Content-Type: application/json\r\n${lines}\r\n\r\n${body}`,
      [401, 411, 415],
    );
  const chunked = `0\r\n\r\n${smuggled}`;
  const smuggling = [
    coding("CL.TE", `Content-Length: ${chunked.length}\r\nTransfer-Encoding: chunked`, chunked),
    coding("TE.CL", "Transfer-Encoding: chunked\r\nContent-Length: 4", `${size}\r\n${smuggled}\r\n0\r\n\r\n`),
    coding("TE alone with more behind it", "Transfer-Encoding: chunked", chunked),
    ...[
      "xchunked",
      "chunked, identity",
      "identity, chunked",
      "chunked;a",
      "gzip, chunked",
      "\x0bchunked",
      "chunked\x00",
      "CHUNKED",
      "chunked, chunked",
    ].map((te) =>
      coding(`Transfer-Encoding ${te}`, `Transfer-Encoding: ${te}\r\nContent-Length: ${chunked.length}`, chunked),
    ),
    ...[
      "Transfer-Encoding : chunked",
      " Transfer-Encoding: chunked",
      "Transfer-Encoding\t: chunked",
      "X: a\nTransfer-Encoding: chunked",
      "Transfer-Encoding:\r\n chunked",
      "Transfer_Encoding: chunked",
    ].map((line) => coding(`header ${JSON.stringify(line)}`, `Content-Length: 0\r\n${line}`, chunked)),
    ...["0, 5", "+0", "-1", "0x10", "1e1", "00", " 0 5", "99999999999999999999"].map((cl) =>
      coding(`Content-Length ${cl}`, `Content-Length: ${cl}`, smuggled),
    ),
    coding("two lengths", `Content-Length: 0\r\nContent-Length: ${smuggled.length}`, smuggled),
    coding("a length too short", "Content-Length: 0", smuggled),
    coding("a chunk size with an extension", "Transfer-Encoding: chunked", `0;a=\n\r\n\r\n${smuggled}`),
    coding("a chunk size out of range", "Transfer-Encoding: chunked", `ffffffffffffffff1\r\n${smuggled}`),
  ];
  return [
    ...paths,
    ...led,
    ...methods,
    ...controls,
    ...high,
    ...targets,
    ...tunnels,
    ...versions,
    ...headers,
    ...pipelines,
    ...smuggling,
  ];
}
