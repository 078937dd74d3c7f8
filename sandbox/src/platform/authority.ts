import { execa } from "execa";
import { mkdirSync } from "node:fs";
import { addressOf, hostName, type PlatformService, type Settings } from "../settings.js";
import type { State } from "../state.js";

/** The sandbox's certificate authority, as a company has one: the public ones know nothing of it. */
export const authorityFile = "ca/ca.pem";

/** An authority and its certificates live as long as the sandbox may. */
const DAYS = "3650";

const EC = ["-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

interface Certificate {
  certificate: string;
  key: string;
}

/** The certificate of a service of the platform, for its name and both of its addresses; made once. */
export async function certificateOf(settings: Settings, state: State, service: PlatformService): Promise<Certificate> {
  await ensureAuthority(state);
  const names = `DNS:${hostName(service)},DNS:localhost,IP:${addressOf(settings, service)},IP:127.0.0.1`;
  const file = (kind: string): string => `ca/${service}.${kind}`;
  // As Python 3.13 wants it, whose checks are strict.
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
    // Refused by the same checks without.
    ...["-addext", "keyUsage=critical,keyCertSign,cRLSign"],
    ...["-keyout", state.path("ca/ca.key"), "-out", state.path(authorityFile)],
  );
}

async function openssl(state: State, ...args: string[]): Promise<void> {
  mkdirSync(state.path("ca"), { recursive: true, mode: 0o700 });
  await execa("openssl", args);
}
