import { whyNoAnswer } from "../../lib/unknown-authority";
import type { Reply } from "./access";

/** Milliseconds. */
const PATIENCE = 8_000;

export function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** @throws Error that says why there is no answer, without the headers */
export async function get(url: string, headers: Readonly<Record<string, string>> = {}): Promise<Reply> {
  let response: Response;
  try {
    response = await fetch(url, { headers, signal: AbortSignal.timeout(PATIENCE) });
  } catch (error) {
    throw new Error(`${url} does not answer: ${whyNoAnswer(error)}`, { cause: error });
  }
  const date = Date.parse(response.headers.get("date") ?? "");
  return {
    status: response.status,
    body: parsed(await response.text()),
    ...(Number.isNaN(date) ? {} : { date }),
  };
}
