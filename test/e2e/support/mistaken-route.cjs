// Loaded before the program (NODE_OPTIONS=--require): replaces nginx/routes.ts by one with a route that nginx cannot
// parse. All settings that go into nginx.conf are checked before, so only such a mistake in the program itself can
// reach nginx.
const Module = require("node:module");

const load = Module._load;
Module._load = function (request, ...rest) {
  const loaded = load.call(this, request, ...rest);
  if (request !== "./nginx/routes") return loaded;
  return { ...loaded, routesOf: (log) => [...loaded.routesOf(log), { path: "/v2/events;", methods: ["GET"] }] };
};
