import Module from "node:module";

/**
 * Packages that the Pulumi SDK loads at its start and this program does not need (docs/decisions/0010). Node loads this
 * file before the SDK (`nodeargs` in Pulumi.yaml); on first use a package is loaded for real.
 *
 * For each package, the classes that the SDK copies from it at its start.
 */
const putOff: Readonly<Record<string, readonly string[]>> = {
  // Both serve the serialization of functions, and take more than half of the SDK's start.
  typescript: [],
  "@npmcli/arborist": ["Arborist"],
  // It would format every stack trace, and the SDK takes one for each of its promises. Node maps those that are shown.
  "source-map-support/register": [],
};

type Exports = Record<PropertyKey, unknown>;
type Load = (this: unknown, request: string, ...rest: unknown[]) => unknown;
// Undocumented in Node, but tracing tools have relied on it for years (require-in-the-middle).
const loader = Module as unknown as { _load: Load };
const load = loader._load;

loader._load = function (request, ...rest) {
  const classes = putOff[request];
  if (classes === undefined) return load.call(this, request, ...rest);
  let loaded: Exports | undefined;
  const real = (): Exports => (loaded ??= load.call(this, request, ...rest) as Exports);
  const copied = classes.map((name) => [name, lazyClass(() => real()[name] as Constructor)]);
  return new Proxy(Object.fromEntries(copied) as Exports, {
    get(target, name) {
      // Every compiled module checks this at once; neither package has it.
      if (name === "__esModule") return undefined;
      return target[name] ?? real()[name];
    },
  });
};

type Constructor = new (...args: unknown[]) => object;

function lazyClass(real: () => Constructor): Constructor {
  return new Proxy(class {}, {
    construct: (_, args: unknown[]) => new (real())(...args),
    get: (_, name) => Reflect.get(real(), name) as unknown,
  });
}
