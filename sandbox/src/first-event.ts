import { randomUUID } from "node:crypto";
import { accessTokens, edgeUrl } from "./environment.js";
import type { Settings } from "./settings.js";
import { sandboxStack } from "./stack-file.js";
import type { State } from "./state.js";
import { until } from "./wait.js";

/** Sends one event through the edge and reads it back. @throws Error with the unexpected answer. */
export async function sendFirstEvent(settings: Settings, state: State, stack = sandboxStack): Promise<string> {
  const url = edgeUrl(settings, state, stack);
  const tokens = await accessTokens(settings, state, stack);
  if (!tokens) throw new Error("the program left no access tokens in Vault");
  const id = randomUUID();
  const event = {
    id,
    application: "demo",
    actor: stack === sandboxStack ? "make up" : "make cluster",
    action: "sandbox.up",
    resource: "sandbox",
    outcome: "success",
    occurredAt: new Date().toISOString(),
  };
  return until(
    "The service, through the edge,",
    30,
    async () => {
      // A retry is safe, because the event has an id.
      await answer(`${url}/v1/events`, 201, {
        method: "POST",
        headers: { authorization: `Bearer ${tokens.AUDIT_TOKEN}`, "content-type": "application/json" },
        body: JSON.stringify(event),
      });
      const text = await answer(`${url}/v1/events?actor=${encodeURIComponent(event.actor)}&limit=100`, 200, {
        headers: { authorization: `Bearer ${tokens.AUDIT_READ_TOKEN}` },
      });
      const { events } = JSON.parse(text) as { events: { id: string }[] };
      return events.some((found) => found.id === id) ? id : undefined;
    },
    500,
  );
}

async function answer(url: string, status: number, init: RequestInit): Promise<string> {
  const response = await fetch(url, { ...init, signal: AbortSignal.timeout(10_000) });
  const text = await response.text();
  if (response.status !== status)
    throw new Error(`${init.method ?? "GET"} ${url} answered ${response.status}: ${text.slice(0, 300)}`);
  return text;
}
