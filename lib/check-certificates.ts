import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls, rootCertificates, type ConnectionOptions } from "node:tls";
import { argumentName } from "./argument-names";
import type { CertificateAuthority } from "./certificate-authority";
import { isUnknownAuthority } from "./unknown-authority";
import { UserError } from "./user-error";

/** A server that the deploy is about to trust. */
export interface Server {
  /** The setting that names it, and its value. */
  setting: string;
  address: string;
  host: string;
  port: number;
  /** PostgreSQL is asked for TLS first; the others begin with it. */
  protocol: "https" | "postgresql";
  /** The authorities replace the public ones, as the plugins have it; default: they come beside them. */
  exclusive?: boolean;
}

/** Milliseconds until a server that says nothing is left to the plugin that needs it. */
const PATIENCE = 5_000;

/** The server of an `https` address; undefined for plain HTTP. */
export function httpsServer(setting: string, url: string, exclusive: boolean): Server | undefined {
  const { protocol, hostname, port } = new URL(url);
  if (protocol !== "https:") return undefined;
  const host = hostname.replace(/^\[|\]$/g, "");
  return { setting, address: url, host, port: Number(port || 443), protocol: "https", exclusive };
}

/**
 * Looks at the certificates of the servers before anything is changed. What a plugin says of an authority that it does not know
 * names no setting, and it comes when half of the deploy is done. A server that cannot be reached is not judged here: a preview
 * needs none of them, and the plugin says more.
 *
 * @throws UserError naming each setting with its cure
 */
export async function checkCertificates(
  servers: readonly Server[],
  authority: CertificateAuthority | undefined,
): Promise<void> {
  const found = await Promise.all(servers.map((server) => problemWith(server, authority)));
  const problems = found.filter((problem) => problem !== undefined);
  if (problems.length > 0)
    throw new UserError(`Nothing was changed.\n${problems.map((text) => `  - ${text}`).join("\n")}`);
}

async function problemWith(server: Server, authority: CertificateAuthority | undefined): Promise<string | undefined> {
  const error = await handshake(server, authority?.pem).catch((reason: unknown) => reason);
  const { code = "", message = "" } = (error ?? {}) as NodeJS.ErrnoException;
  const what = `${server.setting} ${server.address}`;
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") return `${what} has a certificate for another name: ${message}`;
  if (code === "CERT_HAS_EXPIRED" || code === "CERT_NOT_YET_VALID") return `${what}: ${message}; renew it there`;
  if (!isUnknownAuthority(error)) return undefined;
  return authority === undefined
    ? `${what} has a certificate that no known authority has signed (${message}). Name a PEM file with your own in ${argumentName("the argument authority")}`
    : `${what} has a certificate that none of the authorities in ${argumentName("the argument authority")} ${authority.file} has signed (${message}). Add the one that did`;
}

/** @throws Error when there is no connection, or its certificate is not to be trusted */
async function handshake({ host, port, protocol, exclusive }: Server, pem: string | undefined): Promise<void> {
  const signal = AbortSignal.timeout(PATIENCE);
  const socket = connectTcp({ host, port });
  const abort = () => socket.destroy(new Error("no answer"));
  signal.addEventListener("abort", abort);
  try {
    await once(socket, "connect");
    if (protocol === "postgresql") await askForTls(socket);
    // `host` is what the certificate must be for; a name is also sent to the server, which RFC 6066 does not want of an address.
    const options: ConnectionOptions = { socket, host, ...(/^[\d.]+$|:/.test(host) ? {} : { servername: host }) };
    // Node's default also has NODE_EXTRA_CA_CERTS.
    if (pem !== undefined) options.ca = exclusive ? pem : [...rootCertificates, pem];
    await once(connectTls(options), "secureConnect");
  } finally {
    signal.removeEventListener("abort", abort);
    socket.destroy();
  }
}

/** The SSLRequest of https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL; a server without TLS answers `N`. */
async function askForTls(socket: Socket): Promise<void> {
  socket.write(Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]));
  const [answer] = (await once(socket, "data")) as [Buffer];
  if (answer.toString("latin1") !== "S") throw new Error("PostgreSQL has no TLS");
}
