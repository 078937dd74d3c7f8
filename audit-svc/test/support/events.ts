import { request, type Agent } from "node:http";
import type { FastifyInstance, LightMyRequestResponse } from "fastify";
import { uuidv7 } from "../../src/ids.js";
import { tokens } from "./service.js";

/** A valid event; fields can be replaced. */
export function event(
  fields: Record<string, unknown> = {},
): Record<string, unknown> & { id: string; occurredAt: string } {
  return {
    id: uuidv7(),
    application: "billing",
    actor: "anna@example.com",
    action: "payment.create",
    resource: "payment/1",
    outcome: "success",
    occurredAt: new Date().toISOString(),
    data: { amount: 12.5, tags: ["web"] },
    ...fields,
  };
}

/** Sends a body to a service without sockets. Strings and buffers are sent unchanged. */
export function post(
  main: FastifyInstance,
  body: unknown,
  {
    token = tokens.anyWriter,
    type = "application/json",
    headers = {},
  }: { token?: string; type?: string; headers?: Record<string, string> } = {},
): Promise<LightMyRequestResponse> {
  return main.inject({
    method: "POST",
    url: "/v1/events",
    headers: { authorization: `Bearer ${token}`, "content-type": type, ...headers },
    payload: typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body),
  });
}

/** Reads from a service without sockets. */
export function get(main: FastifyInstance, url: string, token = tokens.reader): Promise<LightMyRequestResponse> {
  return main.inject({ method: "GET", url, headers: { authorization: `Bearer ${token}` } });
}

/** Sends one event to a real service; resolves to the status, 0 when the connection broke. */
export function send(
  url: string,
  agent: Agent,
  body: object,
): Promise<{ status: number; retryAfter: string | undefined }> {
  return new Promise((resolve) => {
    const outgoing = request(
      `${url}/v1/events`,
      {
        method: "POST",
        agent,
        headers: { authorization: `Bearer ${tokens.anyWriter}`, "content-type": "application/json" },
      },
      (response) => {
        response.resume();
        response.on("error", () => resolve({ status: 0, retryAfter: undefined }));
        response.on("end", () =>
          resolve({
            status: response.complete ? (response.statusCode ?? 0) : 0,
            retryAfter: response.headers["retry-after"],
          }),
        );
      },
    );
    outgoing.on("error", () => resolve({ status: 0, retryAfter: undefined }));
    outgoing.end(JSON.stringify(body));
  });
}
