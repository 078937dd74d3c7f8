import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { rootDir } from "./paths.js";

const image = z.strictObject({ official: z.string().optional(), offline: z.string() });

const schema = z.looseObject({
  debian: z.strictObject({
    suite: z.string(),
    /** Raise it to rebuild all images on Debian packages: the suite's name does not change with its point releases. */
    revision: z.number(),
  }),
  npm: z.record(
    z.string(),
    z.strictObject({ version: z.string(), package: z.string(), integrity: z.record(z.string(), z.string()) }),
  ),
  tools: z.strictObject({
    pulumi: z.string(),
    vault: z.string(),
    "vault-postgres-plugin": z.string(),
    "nginx-exporter": z.string(),
    kubernetes: z.string(),
    coredns: z.string(),
    pause: z.string(),
    kind: z.string(),
    "pulumi-kubernetes": z.string(),
    "vault-kubernetes-plugin": z.string(),
  }),
  /** Modules that are read, not built: by path, with the checksum that go.sum would have. */
  goModules: z.record(z.string(), z.strictObject({ version: z.string(), sum: z.string() })),
  images: z.record(z.string(), image),
});

export type Versions = z.infer<typeof schema>;

let loaded: Versions | undefined;

/** The pins of everything that is not an npm package, from `versions.json`. */
export function versions(): Versions {
  loaded ??= schema.parse(JSON.parse(readFileSync(join(rootDir, "versions.json"), "utf8")));
  return loaded;
}
