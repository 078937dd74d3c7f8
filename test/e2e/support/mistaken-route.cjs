// Loaded before the program (NODE_OPTIONS=--require): nginx/routes.ts as if somebody had written a route that nginx cannot read. Every
// setting that gets into nginx.conf is checked before, so that only such a mistake in the program itself is left to nginx.
const Module = require("node:module");

const load = Module._load;
Module._load = function (request, ...rest) {
  const loaded = load.call(this, request, ...rest);
  if (request !== "./nginx/routes") return loaded;
  return { ...loaded, ROUTES: [...loaded.ROUTES, { path: "/v2/events;", methods: ["GET"] }] };
};
