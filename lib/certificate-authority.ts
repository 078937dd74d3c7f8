import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { namesForSteps } from "./argument-names";
import { wrongProxy } from "./proxy";
import { UserError } from "./user-error";

/** The authorities that signed the certificates of a company's own servers. Nothing in it is secret. */
export interface CertificateAuthority {
  /** PEM file on the machine that runs the program; relative to the program's directory, or absolute. */
  file: string;
  /** The certificates from the file, without anything else in it. */
  pem: string;
}

/**
 * Bytes. The text goes into the service's configuration and the agents' files, so it should not be a whole system trust
 * store.
 */
const LARGEST = 65_536;

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[^-]*-----END \1-----/g;

/**
 * Reads and checks the file before anything is changed.
 *
 * @throws Error whose message continues the name of the setting
 */
export function readCertificateAuthority(file: string, now = new Date()): CertificateAuthority {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new Error(
      `${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? "?"}); set the path of a PEM file with the certificates of your authorities`,
      { cause: error },
    );
  }
  const blocks = [...text.matchAll(BLOCK)];
  if (blocks.some(([, kind]) => kind?.includes("PRIVATE KEY")))
    throw new Error(
      `${file} holds a private key; it must hold the certificates of your authorities and nothing secret, because its text goes to the VM in plain`,
    );
  const pems = blocks.filter(([, kind]) => kind === "CERTIFICATE").map(([block]) => `${block}\n`);
  if (pems.length === 0) throw new Error(`${file} holds no certificate in PEM format (-----BEGIN CERTIFICATE-----)`);
  const ends = pems.map((pem, index) => {
    try {
      return new Date(new X509Certificate(pem).validTo);
    } catch {
      throw new Error(`${file}: certificate ${index + 1} cannot be read`);
    }
  });
  const last = new Date(Math.max(...ends.map(Number)));
  if (last <= now) throw new Error(`${file}: every certificate in it has expired, the last on ${last.toISOString()}`);
  const pem = pems.join("");
  if (Buffer.byteLength(pem) > LARGEST)
    throw new Error(
      `${file} holds ${pems.length} certificates; name only those of your own authorities, ${LARGEST / 1024} KiB at the most`,
    );
  return { file, pem };
}

/**
 * Environment of Node programs that a deploy runs: it makes them use HTTPS_PROXY and NO_PROXY, trust these authorities
 * beside the public ones, and name arguments as this program does.
 *
 * @throws UserError if such a program would end before it begins, because Node cannot read a proxy's address
 */
export function nodeEnvironment(authority: CertificateAuthority | undefined): Record<string, string> {
  const wrong = wrongProxy(process.env);
  if (wrong !== undefined) throw new UserError(wrong);
  return {
    NODE_USE_ENV_PROXY: "1",
    ...(authority === undefined ? {} : { NODE_EXTRA_CA_CERTS: authority.file }),
    ...namesForSteps(),
  };
}
