import { execa } from "execa";
import { mkdirSync } from "node:fs";
import { addressOf, hostName, type PlatformService, type Settings } from "../settings.js";
import type { State } from "../state.js";

/** The sandbox's private certificate authority, as a company would have one. */
export const authorityFile = "ca/ca.pem";

/** Lifetime of the authority and its certificates: longer than any sandbox. */
const DAYS = "3650";

const EC = ["-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

interface Certificate {
  certificate: string;
  key: string;
}

/** The certificate of a platform service, for its name and both of its addresses; created once. */
export async function certificateOf(settings: Settings, state: State, service: PlatformService): Promise<Certificate> {
  await ensureAuthority(state);
  const names = `DNS:${hostName(service)},DNS:localhost,IP:${addressOf(settings, service)},IP:127.0.0.1`;
  const file = (kind: string): string => `ca/${service}.${kind}`;
  // Python 3.13's strict checks require these.
  const extensions = `subjectAltName=${names}\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n`;
  if (state.readText(file("ext")) !== extensions || !state.has(file("pem"))) {
    const at = (kind: string): string => state.path(file(kind));
    await openssl(state, "req", ...EC, "-subj", `/CN=${hostName(service)}`, "-keyout", at("key"), "-out", at("csr"));
    state.write(file("ext"), extensions);
    await openssl(
      state,
      ...["x509", "-req", "-in", at("csr"), "-extfile", at("ext"), "-days", DAYS, "-out", at("pem")],
      ...["-CA", state.path(authorityFile), "-CAkey", state.path("ca/ca.key"), "-CAcreateserial"],
    );
  }
  return { certificate: state.readText(file("pem")) ?? "", key: state.readText(file("key")) ?? "" };
}

async function ensureAuthority(state: State): Promise<void> {
  if (state.has(authorityFile)) return;
  await openssl(
    state,
    ...["req", "-x509", ...EC, "-days", DAYS, "-subj", "/CN=sandbox authority"],
    // The same checks require this too.
    ...["-addext", "keyUsage=critical,keyCertSign,cRLSign"],
    ...["-keyout", state.path("ca/ca.key"), "-out", state.path(authorityFile)],
  );
}

async function openssl(state: State, ...args: string[]): Promise<void> {
  mkdirSync(state.path("ca"), { recursive: true, mode: 0o700 });
  await execa("openssl", args);
}
