import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls, rootCertificates, type ConnectionOptions } from "node:tls";
import { argumentName } from "./argument-names";
import type { CertificateAuthority } from "./certificate-authority";
import { isUnknownAuthority } from "./unknown-authority";
import { UserError } from "./user-error";

/** A server whose certificate the deploy must trust. */
export interface Server {
  /** The setting with its address, and that setting's value. */
  setting: string;
  address: string;
  host: string;
  port: number;
  /** PostgreSQL negotiates TLS first; the others start with it. */
  protocol: "https" | "postgresql";
  /** Whether the authorities replace the public ones, as in the plugins; default: they are added. */
  exclusive?: boolean;
}

/** Milliseconds to wait for a server. If it does not answer, its plugin reports that later. */
const PATIENCE = 5_000;

/** The server of an `https` address; undefined for plain HTTP. */
export function httpsServer(setting: string, url: string, exclusive: boolean): Server | undefined {
  const { protocol, hostname, port } = new URL(url);
  if (protocol !== "https:") return undefined;
  const host = hostname.replace(/^\[|\]$/g, "");
  return { setting, address: url, host, port: Number(port || 443), protocol: "https", exclusive };
}

/**
 * Checks the servers' certificates before anything is changed. A plugin's error about an unknown authority names no
 * setting and comes in the middle of the deploy. A server that cannot be reached is skipped: a preview needs none of
 * them, and the plugin's error says more.
 *
 * @throws UserError naming each setting with its cure
 */
export async function checkCertificates(
  servers: readonly Server[],
  authority: CertificateAuthority | undefined,
): Promise<void> {
  const found = await Promise.all(servers.map((server) => certificateProblem(server, authority)));
  const problems = found.filter((problem) => problem !== undefined);
  if (problems.length > 0)
    throw new UserError(`Nothing was changed.\n${problems.map((text) => `  - ${text}`).join("\n")}`);
}

/** What is wrong with a server's certificate, in one sentence with the cure; undefined also if it does not answer. */
export const certificateProblem = async (
  server: Server,
  authority: CertificateAuthority | undefined,
): Promise<string | undefined> => (await lookAtCertificate(server, authority)).problem;

/** The same; `unanswered` is why there was no certificate to look at. */
export async function lookAtCertificate(
  server: Server,
  authority: CertificateAuthority | undefined,
): Promise<{ problem?: string; unanswered?: string }> {
  try {
    await handshake(server, authority?.pem);
    return {};
  } catch (error) {
    const problem = problemIn(error as Error, server, authority);
    return problem === undefined ? { unanswered: (error as Error).message } : { problem };
  }
}

function problemIn(
  error: NodeJS.ErrnoException,
  server: Server,
  authority: CertificateAuthority | undefined,
): string | undefined {
  const { code = "", message } = error;
  const what = `${server.setting} ${server.address}`;
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") return `${what} has a certificate for another name: ${message}`;
  if (code === "CERT_HAS_EXPIRED" || code === "CERT_NOT_YET_VALID") return `${what}: ${message}; renew it there`;
  if (!isUnknownAuthority(error)) return undefined;
  return authority === undefined
    ? `${what} has a certificate that no known authority has signed (${message}). Name a PEM file with your own in ${argumentName("the argument authority")}`
    : `${what} has a certificate that none of the authorities in ${argumentName("the argument authority")} ${authority.file} has signed (${message}). Add the one that did`;
}

/** @throws Error if there is no connection, or its certificate is not trusted */
async function handshake({ host, port, protocol, exclusive }: Server, pem: string | undefined): Promise<void> {
  const signal = AbortSignal.timeout(PATIENCE);
  const socket = connectTcp({ host, port });
  const abort = () => socket.destroy(new Error("no answer"));
  signal.addEventListener("abort", abort);
  try {
    await once(socket, "connect");
    if (protocol === "postgresql") await askForTls(socket);
    // The certificate must be for `host`. A name is also sent as SNI; RFC 6066 does not allow that for an address.
    const options: ConnectionOptions = { socket, host, ...(/^[\d.]+$|:/.test(host) ? {} : { servername: host }) };
    // Node's default also includes NODE_EXTRA_CA_CERTS.
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
