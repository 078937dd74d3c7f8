import { request as requestPlain } from "node:http";
import { request as requestTls } from "node:https";
import type { TLSSocket } from "node:tls";
import { whyNoAnswer } from "../../lib/unknown-authority";
import { CommandError } from "../errors";
import { duration, secondsBetween } from "../time";
import { bad, definePart, ok, warning, type Line } from "./part";

/** Milliseconds to wait for the service. */
const PATIENCE = 5_000;

export interface Answer {
  readonly status: number;
  /** Milliseconds to the answer's first byte, with the connection. */
  readonly milliseconds: number;
  /** End of the certificate that the edge showed; absent without TLS. */
  readonly certificateEnds?: string;
}

/** As a client: through the edge, with a connection of its own. */
export const service = definePart({
  title: "service",
  look: async (asked) => {
    const url = asked.world.values.serviceUrl;
    // The first request also waits for what this process loads.
    await ask(`${url}/healthz`);
    return { url, ...(await ask(`${url}/healthz`)) };
  },
  lines: ({ url, status, milliseconds, certificateEnds }, now) => [
    (status === 200 ? ok : bad)(`${url} answers ${status} in ${Math.round(milliseconds)} ms`),
    ...(certificateEnds === undefined ? [] : [ending("its certificate", certificateEnds, now, 14 * 86_400)]),
  ],
});

export function ask(url: string): Promise<Answer> {
  const started = performance.now();
  return new Promise((done, fail) => {
    const request = url.startsWith("https:") ? requestTls : requestPlain;
    const sent = request(url, { agent: false, timeout: PATIENCE }, (response) => {
      const { valid_to: end } = (response.socket as Partial<TLSSocket>).getPeerCertificate?.() ?? {};
      response.resume();
      const milliseconds = performance.now() - started;
      const certificateEnds = end === undefined ? {} : { certificateEnds: new Date(end).toISOString() };
      done({ status: response.statusCode ?? 0, milliseconds, ...certificateEnds });
    });
    sent.on("timeout", () => sent.destroy(new Error(`no answer within ${PATIENCE / 1000} s`)));
    sent.on("error", (error) => fail(new CommandError(`${url}: ${whyNoAnswer(error)}`)));
    sent.end();
  });
}

/** When something ends; a warning when little is left, and bad once it has ended. */
export function ending(what: string, end: Date | string, now: Date, little: number): Line {
  const left = -secondsBetween(now, end);
  if (left <= 0) return bad(`${what} ended ${duration(-left)} ago`);
  return (left < little ? warning : ok)(`${what} ends in ${duration(left)}`);
}
