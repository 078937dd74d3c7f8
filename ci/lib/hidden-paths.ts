import { request as plain } from "node:http";
import { request as encrypted } from "node:https";
import { urlToHttpOptions } from "node:url";

/** Spellings of /reload and /metrics that the edge must block (docs/decisions/0100). */

/**
 * One of each kind, for a deploy's smoke test: a firewall in front might block the client for sending all of them. Each
 * reached the hidden path in some web framework.
 */
export const HIDDEN_PATHS = [
  "/reload",
  "/reload/",
  "/RELOAD",
  "/reload;",
  "/reload;a",
  "/rel%6fad",
  "/rel%6fad;a",
  "/reload%0a",
  "/reload%00",
  "/reload%2f",
  "/reload%3f",
  "/reload?x=1",
  "/reload.json",
  "/./reload",
  "/%2e/reload",
  "//reload",
  "/v1/../reload",
  "/v1/%2e%2e/reload",
  "/v1/events/../../reload",
  "/reload;/../v1/events",
  "/reload;x/%2e%2e/v1/events",
  "/reload/..;/v1/events",
  "/metrics",
  "/metrics;/../v1/events",
  "/metrics;x=y/%2e%2e/v1/events",
];

/**
 * Paths that begin with a hidden path but that nginx resolves to an allowed one. A framework that ends a path at a
 * semicolon, or removes `;x=y` from each segment, would serve the hidden path.
 */
export function detours(to: string): string[] {
  const parents = ["..", "%2e%2e", "%2E%2e", ".%2e", "%2e."];
  const ways = [
    ";",
    ";x",
    ";a=b",
    ";a=b;c",
    "",
    "%3b",
    "?",
    "%3f",
    "%23",
    "/;",
    "/x/..",
    ";/x;y/..;/..",
    ";//.",
    "%20",
    "%00",
    "%0d%0a",
  ];
  return ["/reload", "/metrics", "//reload", "/%72eload"].flatMap((hidden) =>
    ways.flatMap((way) => parents.map((parent) => `${hidden}${way}/${parent}${to}`)),
  );
}

/**
 * All spellings: also each letter in the other case or percent-encoded, and additions between or around the letters.
 */
export const PATHS: readonly string[] = [...new Set([...HIDDEN_PATHS, ...spellings()])];

function spellings(): string[] {
  const encode = (text: string, which: (index: number) => boolean, twice = false): string =>
    [...text]
      .map((c, i) => (which(i) ? `%${twice ? "25" : ""}${c.charCodeAt(0).toString(16).padStart(2, "0")}` : c))
      .join("");
  const letters = [..."reload"].map((_, i) => i);
  const words = [
    ...["reload", "RELOAD", "Reload", "reLoad", "reloaD", "rELOAD"],
    ...letters.map((i) => encode("reload", (n) => n === i)),
    ...letters.map((i) => encode("reload", (n) => n === i, true)),
    ...letters.map((i) => encode("reload", (n) => n <= i)),
    ...letters.map((i) => encode("RELOAD", (n) => n === i).toUpperCase()),
    encode("reload", () => true, true),
    ...[
      "r%u0065load",
      "r%C1%A5load",
      "r%E0%81%A5load",
      "r%F0%80%81%A5load",
      "%D2eload",
      "ｒeload",
      "re%C2%ADload",
      "relo%E2%80%8Bad",
    ],
  ];
  const after = [
    ...[
      "",
      "/",
      "//",
      "///",
      "/.",
      "/./",
      "/..",
      "/../reload",
      "/%2e",
      "/%2e%2e/reload",
      "%2f",
      "%2F",
      "%252f",
      "\\",
      "%5c",
      "%255c",
    ],
    ...[
      ";",
      ";a",
      ";a=b",
      ";/",
      "/;",
      "%3b",
      "%3B",
      "%253b",
      "?",
      "?a",
      "?a=b",
      "??",
      "%3f",
      "%253f",
      "#",
      "#a",
      "%23",
      "?#",
      "?/reload",
    ],
    ...[
      "%00",
      "%2500",
      "%09",
      "%0a",
      "%0d",
      "%0d%0a",
      "%20",
      "%2520",
      "+",
      ".",
      "..",
      "...",
      "%2e",
      ".json",
      ".html",
      "~",
      "*",
      ",",
      ":",
      "@",
    ],
    ...[
      "&",
      "=",
      "$",
      "!",
      "'",
      "(",
      ")",
      "|",
      "^",
      "`",
      "{",
      "}",
      "%7f",
      "%a0",
      "%c0%80",
      "%e2%80%a8",
      "%ff",
      "%",
      "%2",
      "%zz",
      "/reload",
    ],
  ];
  const before = [
    ...[
      "/",
      "//",
      "///",
      "/./",
      "/../",
      "/.//",
      "/%2e/",
      "/%2e%2e/",
      "/%2f",
      "//%2f",
      "/%5c",
      "/\\",
      "/;/",
      "/;a/",
      "/a/../",
      "/a/%2e%2e/",
    ],
    ...[
      "/a/..;/",
      "/v1/../",
      "/v1/events/../../",
      "/v1/events/..%2f..%2f",
      "/v1/events/%2e%2e/%2e%2e/",
      "/v1/events;/../../",
      "/healthz/../",
    ],
    ...[
      "/healthz/..;/",
      "/healthz;/../",
      "/healthz%2f..%2f",
      "/openapi.json/../",
      "/v1/events?/../../",
      "/v1/events#/../../",
      "/.error/404/../../",
    ],
    ...[
      "/.error/../",
      "/metrics/../",
      "/metrics/audit-svc-blue-1/../../",
      "/%00/",
      "/%20",
      "/%09",
      "/%0a",
      "/%0d%0a",
      "/*/",
      "/~/",
      "/admin/",
      "/api/",
    ],
    ...[
      "/v1/",
      "/v1/events/",
      "/healthz/",
      "/.",
      "/..",
      "/...//",
      "/%252e%252e/",
      "/%c0%ae%c0%ae/",
      "/%c0%af",
      "/%e0%80%af",
      "/%uff0e/",
    ],
  ];
  return [
    ...words.map((word) => `/${word}`),
    ...after.map((suffix) => `/reload${suffix}`),
    ...before.map((prefix) => `${prefix}reload`),
    ...["", ";", "/", "%2f", "?a"].flatMap((suffix) =>
      ["//RELOAD", "/%72eload", "/./reload", "/a/../reload"].map((p) => p + suffix),
    ),
  ];
}

/** The status of a request whose path is sent exactly as given: fetch() would normalize it, an attacker would not. */
export function rawStatus(service: string, method: string, path: string): Promise<number> {
  const base = new URL(service);
  const send = base.protocol === "https:" ? encrypted : plain;
  const target = { ...urlToHttpOptions(base), path: `${base.pathname.replace(/\/$/, "")}${path}` };
  return new Promise((done, fail) => {
    const call = send({ ...target, method, timeout: 10_000 }, (response) => {
      response.resume();
      done(response.statusCode ?? 0);
    });
    call.on("timeout", () => call.destroy(new Error("no answer within 10 s")));
    call.on("error", fail);
    call.end();
  });
}
