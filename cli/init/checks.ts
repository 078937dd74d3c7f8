import { isIP } from "node:net";
import { NAMESPACE } from "../../config/errors";
import { bareHost } from "../../lib/network-address";
import type { Probes } from "./probes";
import type { Answers, Verdict } from "./question";

export const hostOf = (url: string): string => (URL.canParse(url) ? bareHost(new URL(url).hostname) : "");
const PORTS: Readonly<Record<string, number>> = { "http:": 80, "https:": 443, "ssh:": 22 };
const portOf = (url: URL): number => (url.port === "" ? (PORTS[url.protocol] ?? 0) : Number(url.port));

/** A machine whose name DNS knows, and that accepts connections. */
export async function machine(host: string, port: number, probes: Probes): Promise<Verdict> {
  const address = await probes.address(host).catch(() => undefined);
  if (address === undefined) return { doubt: `DNS does not know ${host}` };
  if (!(await probes.accepts(host, port)))
    return { doubt: `nothing accepts connections at ${host} (${address}), port ${port}` };
  return {};
}

export async function ssh(text: string, _: Answers, probes: Probes): Promise<Verdict> {
  if (!text.startsWith("ssh://")) return {};
  if (!URL.canParse(text) || new URL(text).username === "")
    return { wrong: "must be ssh://user@host, or with a port ssh://user@host:2222" };
  return machine(hostOf(text), portOf(new URL(text)), probes);
}

/** A server with an HTTP API: reached, with a certificate that is trusted, and what it should be. */
export const server =
  (key: string, what: string, path: string, known: (body: unknown) => boolean) =>
  async (text: string, answers: Answers, probes: Probes): Promise<Verdict> => {
    if (!URL.canParse(text) || !/^https?:/.test(text))
      return { wrong: "must be an address such as https://host.example.com" };
    const url = text.replace(/\/+$/, "");
    const reached = await machine(hostOf(url), portOf(new URL(url)), probes);
    if (reached.doubt !== undefined) return reached;
    const problem = await probes.certificate(
      `${NAMESPACE}:${key}`,
      url,
      answers.caFile === "" ? undefined : answers.caFile,
    );
    if (problem !== undefined) return { doubt: problem };
    const answer = await probes
      .http(`${url}${path}`)
      .catch((error: unknown) => ({ status: 0, body: (error as Error).message }));
    if (answer.status === 401 || answer.status === 403) return {};
    return known(answer.body)
      ? {}
      : { doubt: `what answers at ${url} is not ${what} (${answer.status || String(answer.body)})` };
  };

export const has =
  (...path: readonly string[]) =>
  (body: unknown): boolean =>
    path.reduce<unknown>((value, key) => (value as Record<string, unknown> | null | undefined)?.[key], body) !==
    undefined;

/** By a tag its digest is looked up; the tag stays beside it for people. */
export async function image(text: string, answers: Answers, probes: Probes): Promise<Verdict> {
  if (text.includes("@")) return {};
  const password = answers.registryPassword;
  const own = answers.image?.split("/")[0];
  const username = answers.registryUsername;
  const login = username && password && text.startsWith(`${own ?? ""}/`) ? { username, password } : undefined;
  try {
    return { better: await probes.digest(text, login) };
  } catch (error) {
    return {
      wrong: `its digest cannot be looked up: ${(error as Error).message.replace(/^Harbor (at )?/, "")}; correct it, or give the digest: ${text}@sha256:…`,
    };
  }
}

/** The range that has an address alone. */
const alone = (address: string): string => `${address}/${address.includes(":") ? 128 : 32}`;

/** Ranges with commas between; a single address is one, too. */
export function ranges(text: string): Promise<Verdict> {
  const items = text.split(",").map((item) => item.trim());
  return Promise.resolve({ better: items.map((item) => (isIP(item) === 0 ? item : alone(item))).join(",") });
}

/** The address of a host as a range; nothing of a name that DNS does not know. */
export async function rangeOf(host: string, { address }: Probes): Promise<string> {
  const found = await address(host).catch(() => "");
  return found === "" ? "" : alone(found);
}
