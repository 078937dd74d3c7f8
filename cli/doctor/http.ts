import { whyNoAnswer } from "../../lib/unknown-authority";
import { parsed } from "../json";
import type { Reply } from "./access";

/** Milliseconds. */
const PATIENCE = 8_000;

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
