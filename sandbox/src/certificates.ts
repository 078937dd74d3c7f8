import { execa } from "execa";
import { mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import type { State } from "./state.js";

/** Lifetime of authorities and their certificates: longer than any sandbox. */
const DAYS = "3650";

const EC = ["-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

export interface Certificate {
  certificate: string;
  key: string;
}

export interface CertificateRequest {
  /** Path of its files in the state directory, without extension. */
  file: string;
  /** The same of the authority that signs it. */
  authority: string;
  /** As openssl takes it: `/O=…/CN=…`. */
  subject: string;
  /** Lines of openssl's extension file. */
  extensions: readonly string[];
}

/** A certificate and its key, created once, and again if its extensions change. */
export async function certificate(state: State, request: CertificateRequest): Promise<Certificate> {
  const file = (kind: string): string => `${request.file}.${kind}`;
  // Python 3.13's strict checks require the key identifiers.
  const extensions = [...request.extensions, "subjectKeyIdentifier=hash", "authorityKeyIdentifier=keyid", ""].join(
    "\n",
  );
  if (state.readText(file("ext")) !== extensions || !state.has(file("pem"))) {
    const at = (kind: string): string => state.path(file(kind));
    // Without a certificate an interrupted run is repeated; the former one would not fit the new key.
    rmSync(at("pem"), { force: true });
    await openssl(at("key"), "req", ...EC, "-subj", request.subject, "-keyout", at("key"), "-out", at("csr"));
    state.write(file("ext"), extensions);
    await openssl(
      at("pem"),
      ...["x509", "-req", "-in", at("csr"), "-extfile", at("ext"), "-days", DAYS, "-out", at("new")],
      ...["-CA", state.path(`${request.authority}.pem`), "-CAkey", state.path(`${request.authority}.key`)],
      "-CAcreateserial",
    );
    renameSync(at("new"), at("pem"));
  }
  return { certificate: state.readText(file("pem")) ?? "", key: state.readText(file("key")) ?? "" };
}

/** A private authority, created once. @returns its certificate */
export async function authority(state: State, file: string, name: string): Promise<string> {
  if (!state.has(`${file}.pem`)) {
    const made = state.path(`${file}.new`);
    await openssl(
      made,
      ...["req", "-x509", ...EC, "-days", DAYS, "-subj", `/CN=${name}`],
      // The same checks require this too.
      ...["-addext", "keyUsage=critical,keyCertSign,cRLSign"],
      ...["-keyout", state.path(`${file}.key`), "-out", made],
    );
    renameSync(made, state.path(`${file}.pem`));
  }
  return state.readText(`${file}.pem`) ?? "";
}

/** @param made the output file; its directory is created */
async function openssl(made: string, ...args: string[]): Promise<void> {
  mkdirSync(dirname(made), { recursive: true, mode: 0o700 });
  await execa("openssl", args);
}
