/**
 * The rooms of the repository, what each may import besides itself, and why no more (docs/decisions/0154): no arrow runs upwards, and no
 * two files import each other. Packages are left alone, and tests may import every room. `make lint` checks it; where it fails, move what
 * both rooms need into one that both may import.
 */
const rooms = {
  "the composition": {
    path: String.raw`^[^/]+\.ts$`,
    may: ["config", "components", "nginx", "dashboards", "lib"],
    why: "it says which component is given what; the pipeline and the sandbox run it and are none of its parts",
  },
  config: { may: ["components", "lib"], why: "settings have the shape of the components' arguments" },
  components: {
    may: ["nginx", "vault-agent", "dashboards", "lib"],
    why: "another program may use them, which has other settings; the programs of steps/ are run and not imported",
  },
  nginx: { may: ["lib"], why: "a text depends on its arguments alone" },
  "vault-agent": { may: ["lib"], why: "a text depends on its arguments alone" },
  dashboards: { may: ["lib"], why: "a text depends on its arguments alone" },
  steps: { may: ["lib"], why: "a deploy starts each of them as a process, which must not load Pulumi" },
  lib: { may: [], why: "it is the ground floor" },
  ci: { may: ["components", "lib"], why: "a job must not depend on how the stack is composed or set up" },
  bootstrap: {
    may: ["config", "components", "lib"],
    why: "of the stack it knows the settings alone, which are described once, in config/",
  },
  cli: {
    may: ["config", "components", "bootstrap", "ci", "dashboards", "lib"],
    why: "it asks what a deploy has made, by the same settings and logins; other rooms may start the command, and import nothing of it",
  },
  tools: { may: ["config", "cli"], why: "they write what is generated from the settings and the commands" },
  examples: { may: [], why: "they use the package alone, as a program elsewhere does" },
  "audit-svc": { may: [], why: "it is a service of its own, which another image can replace" },
  sandbox: {
    may: ["offline", "lib"],
    why: "it uses the program, bootstrap/ and ci/ as their users do: by their commands",
  },
  offline: { may: [], why: "it replaces what vendors deliver, and knows nothing of the program" },
};

/**
 * The one exception: programs that are now in steps/, at the paths by which the state of a stack that an earlier version deployed runs them
 * when a resource goes. They go with the first release that upgrades no such stack.
 */
const formerPaths = String.raw`^(vault-agent/revoke-leases|tools/load-rules)\.ts$`;

const pathOf = (/** @type {string} */ room) => rooms[room].path ?? `^${room}/`;

/** @type {import("dependency-cruiser").IConfiguration} */
export default {
  forbidden: [
    ...Object.entries(rooms).map(([room, { may, why }]) => ({
      name: `room: ${room}`,
      comment: `${room} may import ${[...may, "packages"].join(", ")}, and no other room: ${why}.`,
      severity: "error",
      from: { path: pathOf(room) },
      to: {
        pathNot: [...[room, ...may].map(pathOf), "node_modules/"],
        dependencyTypesNot: ["core"],
        couldNotResolve: false,
      },
    })),
    {
      name: "no circle",
      comment:
        "No two files import each other: neither can be read, tested or moved without the other. Move what both need into a third.",
      severity: "error",
      from: {},
      to: { circular: true },
    },
    {
      name: "resolvable",
      comment: "An import that leads nowhere cannot be judged.",
      severity: "error",
      from: {},
      // The examples' package is made of this repository, and installed where they run.
      to: { couldNotResolve: true, pathNot: "^@audit-vm2/components$" },
    },
    {
      name: "a room for each folder, also one that imports nothing",
      comment: "A new folder needs a line in the table of .dependency-cruiser.mjs that says what it may import.",
      severity: "error",
      from: { orphan: true, path: "/", pathNot: [...Object.keys(rooms).map(pathOf), "^test/"] },
      to: {},
    },
    {
      name: "a room for each folder",
      comment: "A new folder needs a line in the table of .dependency-cruiser.mjs that says what it may import.",
      severity: "error",
      from: { path: "/", pathNot: [...Object.keys(rooms).map(pathOf), "^test/"] },
      to: {},
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    // What is made (hidden folders and builds), and the exception.
    exclude: { path: [String.raw`(^|/)(\.[^/]+|build|dist)/`, formerPaths] },
    // Types count: who needs another's types cannot be read without it.
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["node", "import", "require", "types", "default"],
    },
  },
};
