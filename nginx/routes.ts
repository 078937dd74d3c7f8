import type { Route } from "./render";

/**
 * What clients may reach. `/reload` is not listed, and neither are `/metrics` and `/readyz`, which are for operators.
 */
export const ROUTES: readonly Route[] = [
  { path: "/v1/events", methods: ["GET", "POST"] },
  { path: "/v1/events/export", methods: ["GET"] },
  { path: "/openapi.json", methods: ["GET"] },
  { path: "/healthz", methods: ["GET"] },
];

const UUID = "[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}";

/**
 * What verifiers of the log may reach besides, for a service that keeps one. Tiles are named as C2SP's tlog-tiles says:
 * `/log/tile/0/x001/067`, `/log/tile/entries/067.p/12`.
 */
export const LOG_ROUTES: readonly Route[] = [
  { path: "/log/checkpoint", methods: ["GET"] },
  { path: "/log/witnessed", methods: ["POST"] },
  {
    pattern: "^/log/tile/([0-9]{1,2}|entries)/(x[0-9]{3}/)*[0-9]{3}(\\.p/[0-9]{1,3})?$",
    methods: ["GET"],
    paced: true,
  },
  { pattern: `^/v1/events/${UUID}/proof$`, methods: ["GET"] },
];

/** @param log the log that the service keeps; undefined = none */
export const routesOf = (log: object | undefined): readonly Route[] =>
  log === undefined ? ROUTES : [...ROUTES, ...LOG_ROUTES];
