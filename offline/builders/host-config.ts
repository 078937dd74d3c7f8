import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { keyOf } from "../lib/keys.js";
import { attempt } from "../lib/run.js";
import { versions } from "../lib/versions.js";

/**
 * This machine's settings for reaching package registries, as far as they differ from the clients' defaults: images
 * that are built here need them too. They are read at run time and never committed; images that the program deploys are
 * built without them.
 */
export interface HostConfig {
  /** Extra certificate authorities: file name → PEM text. */
  readonly authorities: Readonly<Record<string, string>>;
  /** Base addresses of the Debian archive in apt's sources; a machine of another distribution has none. */
  readonly debianMirror?: string;
  readonly debianSecurityMirror?: string;
  /** The npm registry, where one is set. */
  readonly npmRegistry?: string;
}

const authorityDirs = ["/usr/local/share/ca-certificates", "/etc/pki/ca-trust/source/anchors"];

function readAuthorities(dirs: readonly string[]): Record<string, string> {
  const found: Record<string, string> = {};
  for (const dir of dirs.filter((path) => existsSync(path))) {
    for (const entry of readdirSync(dir, { withFileTypes: true, recursive: true })) {
      if (entry.isDirectory() || !/\.(crt|pem)$/.test(entry.name)) continue;
      const text = readFileSync(join(entry.parentPath, entry.name), "utf8");
      if (text.includes("-----BEGIN CERTIFICATE-----")) found[entry.name.replace(/\.pem$/, ".crt")] = text;
    }
  }
  return found;
}

/**
 * The Debian archive's addresses in apt's source files, old style and deb822; undefined where there is none. Other vendors'
 * addresses end in "/debian", too: Docker's has no component `main`.
 */
export function debianMirrors(sources: readonly string[]): { main?: string; security?: string } {
  const uris: string[] = [];
  for (const text of sources) {
    const lines = text.split("\n").filter((line) => !line.trimStart().startsWith("#"));
    for (const line of lines) {
      const [, uri, components] = /^\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+\S+\s+(.*)$/.exec(line) ?? [];
      if (uri !== undefined && words(components).includes("main")) uris.push(uri);
    }
    for (const stanza of lines.join("\n").split(/\n\s*\n/)) {
      const field = (name: string): string | undefined => new RegExp(`^${name}:(.*)$`, "im").exec(stanza)?.[1];
      if (words(field("Components") ?? "main").includes("main")) uris.push(...words(field("URIs")));
    }
  }
  const clean = uris.filter((uri) => /^https?:\/\//.test(uri)).map((uri) => uri.replace(/\/+$/, ""));
  const main = clean.find((uri) => uri.endsWith("/debian"));
  const security = clean.find((uri) => uri.endsWith("/debian-security"));
  return { ...(main !== undefined && { main }), ...(security !== undefined && { security }) };
}

const words = (text = ""): string[] => text.split(/\s+/).filter((word) => word !== "");

function aptSources(): string[] {
  const dir = "/etc/apt/sources.list.d";
  const files = existsSync(dir) ? readdirSync(dir).map((name) => join(dir, name)) : [];
  return ["/etc/apt/sources.list", ...files]
    .filter((path) => /\.(list|sources)$/.test(path) && existsSync(path))
    .map((path) => readFileSync(path, "utf8"));
}

/**
 * The registry that npm is configured to use: `npm config list` prints the settings, with overridden ones after a
 * semicolon.
 */
export function npmRegistryIn(listed: string): string | undefined {
  const registry = /^registry = "(https?:\/\/[^"]+)"/m.exec(listed)?.[1];
  return registry === undefined ? undefined : withoutCredentials(registry);
}

/** A registry address with credentials in it must not end up in an image. */
const withoutCredentials = (address: string): string => address.replace(/\/\/[^/@]*@/, "//");

let known: Promise<HostConfig> | undefined;

/** Read once per process. */
export const readHostConfig = (): Promise<HostConfig> => (known ??= read());

async function read(): Promise<HostConfig> {
  const mirrors = debianMirrors(aptSources());
  const npm = await attempt("npm", ["config", "list"], { timeout: 20_000 });
  const npmRegistry = npm.ok ? npmRegistryIn(npm.stdout) : undefined;
  return {
    authorities: readAuthorities(authorityDirs),
    ...(mirrors.main !== undefined && { debianMirror: mirrors.main }),
    ...(mirrors.security !== undefined && { debianSecurityMirror: mirrors.security }),
    ...(npmRegistry !== undefined && { npmRegistry }),
  };
}

export const isDefaultHost = (host: HostConfig): boolean =>
  Object.keys(host.authorities).length === 0 && host.npmRegistry === undefined && host.debianMirror === undefined;

export const keyOfHost = (host: HostConfig): string =>
  keyOf(
    ...Object.entries(host.authorities)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .flat(),
    host.debianMirror ?? "",
    host.debianSecurityMirror ?? "",
    host.npmRegistry ?? "",
  );

/** Lines for apt's sources of a suite, with this machine's mirrors; none if it uses the client's default. */
export function debianSources({ debianMirror: main, debianSecurityMirror: security }: HostConfig): string[] {
  const { suite } = versions().debian;
  if (main === undefined) return [];
  return [
    `deb ${main} ${suite} main`,
    `deb ${main} ${suite}-updates main`,
    ...(security === undefined ? [] : [`deb ${security} ${suite}-security main`]),
  ];
}

/** Path of the bundle with the host's own authorities in an image. */
export const authoritiesFile = "/usr/local/share/host-authorities.pem";

/** Writes the files with which an image reaches what this machine reaches, as a tree from the root directory. */
export function writeHostFiles(host: HostConfig, dir: string): void {
  const put = (path: string, text: string): void => {
    mkdirSync(join(dir, path, ".."), { recursive: true });
    writeFileSync(join(dir, path), text);
  };
  for (const [name, text] of Object.entries(host.authorities)) put(`usr/local/share/ca-certificates/${name}`, text);
  put(authoritiesFile, Object.values(host.authorities).join("\n"));
  const sources = debianSources(host);
  if (sources.length > 0) {
    put("etc/apt/sources.list", `${sources.join("\n")}\n`);
    // The official image has its sources in this file; it is emptied, so that packages come only from this machine's
    // mirrors.
    put("etc/apt/sources.list.d/debian.sources", "");
  }
  if (host.npmRegistry !== undefined) put("usr/local/etc/npmrc", `registry=${host.npmRegistry}\n`);
}
