import Module from "node:module";

/**
 * Puts off two packages that the Pulumi SDK loads at its start and needs only to serialize functions, which this program never
 * asks for: TypeScript and npm's arborist. They are more than half of the SDK's start (docs/decisions/0010). Node loads this file
 * before the SDK (`nodeargs` in Pulumi.yaml); whoever does use one of them gets the real one, loaded then.
 *
 * For each the classes that the SDK copies out of it at its own start.
 */
const putOff: Readonly<Record<string, readonly string[]>> = { typescript: [], "@npmcli/arborist": ["Arborist"] };

type Exports = Record<PropertyKey, unknown>;
type Load = (this: unknown, request: string, ...rest: unknown[]) => unknown;
// Not documented by Node, yet the point that tracing tools have rested on for years (require-in-the-middle).
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
      // Every compiled module asks for it at once; neither package has it.
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
