import { execFile } from "node:child_process";
import { lookup } from "node:dns/promises";
import { connect } from "node:net";
import { certificateProblem, httpsServer } from "../../lib/check-certificates";
import { readCertificateAuthority, type CertificateAuthority } from "../../lib/certificate-authority";
import { imageByDigest } from "../../lib/image-reference";
import { get } from "../doctor/http";
import type { Env } from "../project";
import { manifestOf, type Login } from "../registry";
import { trustFromNow } from "../trust";

/** Milliseconds to wait for a machine. */
const PATIENCE = 4_000;

/** How answers are tried while they are given; nothing of it changes anything. */
export interface Probes {
  /** The address of a name. @throws Error if DNS does not know it */
  readonly address: (host: string) => Promise<string>;
  /** The contexts of the kubeconfig. @throws Error if kubectl is not there */
  readonly contexts: () => Promise<readonly string[]>;
  /** Whether something accepts connections there. */
  readonly accepts: (host: string, port: number) => Promise<boolean>;
  /** What is wrong with a server's certificate; undefined also if it does not answer. */
  readonly certificate: (setting: string, url: string, caFile: string | undefined) => Promise<string | undefined>;
  readonly http: (url: string) => Promise<{ status: number; body: unknown }>;
  /** `registry/name:tag` with the digest that the tag has now. @throws Error */
  readonly digest: (image: string, login: Login | undefined) => Promise<string>;
  /** @throws Error whose message continues the name of the setting */
  readonly authority: (file: string) => CertificateAuthority;
}

export const realProbes = (env: Env): Probes => ({
  address: async (host) => {
    if (host === "") throw new Error("there is no name");
    return (await lookup(host)).address;
  },
  contexts: () =>
    new Promise((done, fail) =>
      execFile("kubectl", ["config", "get-contexts", "--output", "name"], (error, stdout) =>
        error === null
          ? done(stdout.split("\n").filter(Boolean))
          : fail(new Error("kubectl does not show the contexts of the kubeconfig")),
      ),
    ),
  accepts: (host, port) =>
    new Promise((done) => {
      const socket = connect({ host, port, timeout: PATIENCE });
      const end = (accepted: boolean) => {
        socket.destroy();
        done(accepted);
      };
      socket.on("connect", () => end(true));
      socket.on("timeout", () => end(false));
      socket.on("error", () => end(false));
    }),
  certificate: async (setting, url, caFile) => {
    const server = httpsServer(setting, url, false);
    const authority = caFile === undefined ? undefined : readCertificateAuthority(caFile);
    return server && certificateProblem(server, authority);
  },
  http: get,
  digest: (image, login) => digestOf(image, login ?? loginOf(env)),
  authority: (file) => {
    const authority = readCertificateAuthority(file);
    trustFromNow(authority.pem);
    return authority;
  },
});

const loginOf = ({ HARBOR_USERNAME: username, HARBOR_PASSWORD: password }: Env): Login | undefined =>
  username && password ? { username, password } : undefined;

async function digestOf(image: string, login: Login | undefined): Promise<string> {
  const parsed = imageByDigest(`${image}@sha256:${"0".repeat(64)}`);
  if (typeof parsed === "string") throw new Error(parsed);
  const tag = /:([A-Za-z0-9_][A-Za-z0-9_.-]*)$/.exec(image.slice(image.lastIndexOf("/")))?.[1] ?? "latest";
  const manifest = await manifestOf(parsed, tag, login);
  if (manifest === undefined) throw new Error(`${parsed.registry} has no ${parsed.repository}:${tag}`);
  return `${parsed.registry}/${parsed.repository}:${tag}@${manifest.digest}`;
}
