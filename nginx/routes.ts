import type { Route } from "./render";

/** What clients may reach. `/reload` is not here, nor are `/metrics` and `/readyz`, which are the operator's. */
export const ROUTES: readonly Route[] = [
  { path: "/v1/events", methods: ["GET", "POST"] },
  { path: "/v1/events/export", methods: ["GET"] },
  { path: "/openapi.json", methods: ["GET"] },
  { path: "/healthz", methods: ["GET"] },
];
