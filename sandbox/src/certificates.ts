import { execa } from "execa";
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import type { State } from "./state.js";

/** An authority and its certificates live as long as the sandbox may. */
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

/** A certificate and its key, made once, and anew when its extensions change. */
export async function certificate(state: State, request: CertificateRequest): Promise<Certificate> {
  const file = (kind: string): string => `${request.file}.${kind}`;
  // As Python 3.13 wants it, whose checks are strict.
  const extensions = [...request.extensions, "subjectKeyIdentifier=hash", "authorityKeyIdentifier=keyid", ""].join(
    "\n",
  );
  if (state.readText(file("ext")) !== extensions || !state.has(file("pem"))) {
    const at = (kind: string): string => state.path(file(kind));
    await openssl(at("key"), "req", ...EC, "-subj", request.subject, "-keyout", at("key"), "-out", at("csr"));
    state.write(file("ext"), extensions);
    await openssl(
      at("pem"),
      ...["x509", "-req", "-in", at("csr"), "-extfile", at("ext"), "-days", DAYS, "-out", at("pem")],
      ...["-CA", state.path(`${request.authority}.pem`), "-CAkey", state.path(`${request.authority}.key`)],
      "-CAcreateserial",
    );
  }
  return { certificate: state.readText(file("pem")) ?? "", key: state.readText(file("key")) ?? "" };
}

/** An authority of the sandbox's own, made once. @returns its certificate */
export async function authority(state: State, file: string, name: string): Promise<string> {
  if (!state.has(`${file}.pem`)) {
    await openssl(
      state.path(`${file}.pem`),
      ...["req", "-x509", ...EC, "-days", DAYS, "-subj", `/CN=${name}`],
      // Refused by the same checks without.
      ...["-addext", "keyUsage=critical,keyCertSign,cRLSign"],
      ...["-keyout", state.path(`${file}.key`), "-out", state.path(`${file}.pem`)],
    );
  }
  return state.readText(`${file}.pem`) ?? "";
}

/** @param made the file that it makes, for its directory */
async function openssl(made: string, ...args: string[]): Promise<void> {
  mkdirSync(dirname(made), { recursive: true, mode: 0o700 });
  await execa("openssl", args);
}
