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
