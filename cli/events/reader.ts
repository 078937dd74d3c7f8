import { headersOf } from "../../lib/header-text";
import { whyNoAnswer } from "../../lib/unknown-authority";
import { CommandError } from "../errors";

export interface AuditEvent {
  readonly id: string;
  readonly application: string;
  readonly actor: string;
  readonly action: string;
  readonly resource: string;
  readonly outcome: string;
  readonly occurredAt: string;
  readonly recordedAt?: string;
  readonly data?: object;
}

export interface Page {
  readonly events: readonly AuditEvent[];
  /** Cursor of the next page; null on the last. */
  readonly next: string | null;
}

/** Filters and limits of `GET /v1/events`, as in audit-svc/CONTRACT.md. */
export type Query = Readonly<Record<string, string | number | undefined>>;

/** Most events of a page. */
export const PAGE = 1000;

/** Reads events through the edge, with a reader's token. */
export class EventReader {
  constructor(
    private readonly url: string,
    private readonly token: string,
  ) {}

  /** @throws CommandError with the service's word, and the request's id for `audit logs` */
  async page(query: Query): Promise<Page> {
    const given = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) if (value !== undefined) given.set(name, String(value));
    const url = `${this.url}/v1/events?${given.toString()}`;
    let response: Response;
    try {
      response = await fetch(url, {
        headers: headersOf({ authorization: `Bearer ${this.token}` }),
        signal: AbortSignal.timeout(15_000),
      });
    } catch (error) {
      throw new CommandError(`the service at ${this.url} does not answer: ${whyNoAnswer(error)}`);
    }
    if (!response.ok) throw new CommandError(await refusal(response));
    return (await response.json()) as Page;
  }

  /** The newest events, newest first, at most so many. */
  async *newest(query: Query, most: number): AsyncGenerator<AuditEvent> {
    let cursor: string | undefined;
    let left = most;
    while (left > 0) {
      const { events, next } = await this.page({ ...query, limit: Math.min(left, PAGE), cursor });
      yield* events;
      left -= events.length;
      if (next === null) return;
      cursor = next;
    }
  }
}

async function refusal(response: Response): Promise<string> {
  const text = await response.text();
  let said: { error?: string; message?: string; requestId?: string } = {};
  try {
    said = JSON.parse(text) as typeof said;
  } catch {
    // Nginx's own page, or another server's.
  }
  const id = said.requestId ?? response.headers.get("x-request-id");
  const what = [said.error, said.message].filter(Boolean).join(": ") || text.trim().slice(0, 200);
  return `the service answers ${response.status}${what === "" ? "" : ` ${what}`}${id ? `; audit logs --request ${id} shows more` : ""}`;
}
