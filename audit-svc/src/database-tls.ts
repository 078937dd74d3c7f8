import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";

/** Where Debian, Red Hat and Alpine keep the system's certificate authorities. */
const SYSTEM_STORES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/cert.pem",
] as const;

/** The `ssl` settings of `pg` for the `database` part of the configuration. */
export function tlsOf({ sslmode, caCertificate }: { sslmode: string; caCertificate?: string }): false | object {
  if (sslmode === "disable") return false;
  if (sslmode === "require") return { rejectUnauthorized: false };
  // Created once: with `ca` alone Node would parse all authorities again for each connection.
  return { rejectUnauthorized: true, secureContext: createSecureContext({ ca: caCertificate ?? systemAuthorities() }) };
}

// By default Node trusts its bundled authorities; if the system has a store, that one is used instead.
function systemAuthorities(): string[] | undefined {
  const { SSL_CERT_FILE, NODE_EXTRA_CA_CERTS } = process.env;
  const system = (SSL_CERT_FILE ? [SSL_CERT_FILE] : SYSTEM_STORES).map(read).find((store) => store !== undefined);
  if (system === undefined) return undefined;
  // An explicit list replaces Node's own, including what this variable adds to it.
  const extra = NODE_EXTRA_CA_CERTS ? read(NODE_EXTRA_CA_CERTS) : undefined;
  return extra === undefined ? [system] : [system, extra];
}

// A missing store is not an error, as with OpenSSL and Node: the server's certificate is then rejected.
function read(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

/** What is wrong with a PEM text that should contain only certificates; `undefined` if nothing is. */
export function problemOfPem(pem: string): string | undefined {
  const blocks = [...pem.matchAll(/-----BEGIN ([^-\n]+)-----[^-]*-----END \1-----/g)];
  if (blocks.length === 0) {
    return "must be PEM text with one or more certificates, from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----";
  }
  const other = blocks.findIndex(([, label]) => label !== "CERTIFICATE");
  if (other >= 0) return `must hold certificates alone; block ${other + 1} is something else`;
  const broken = blocks.findIndex(([block]) => !isCertificate(block));
  return broken < 0 ? undefined : `certificate ${broken + 1} cannot be read; copy the file again`;
}

function isCertificate(pem: string): boolean {
  try {
    new X509Certificate(pem);
    return true;
  } catch {
    return false;
  }
}
