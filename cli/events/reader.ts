import { headersOf } from "../../lib/header-text";
import { whyNoAnswer } from "../../lib/unknown-authority";
import { CommandError } from "../errors";
import { parsed } from "../json";

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
    let text: string;
    try {
      response = await fetch(url, {
        headers: headersOf({ authorization: `Bearer ${this.token}` }),
        signal: AbortSignal.timeout(15_000),
      });
      text = await response.text();
    } catch (error) {
      throw new CommandError(`the service at ${this.url} does not answer: ${whyNoAnswer(error)}`);
    }
    if (!response.ok) throw new CommandError(refusal(response, text));
    const page = parsed(text) as Partial<Page> | null;
    if (Array.isArray(page?.events)) return page as Page;
    // A proxy's page to sign in, another server.
    throw new CommandError(`${this.url} answers ${response.status}, and not as the service does; correct audit:serviceUrl, or see what stands before it`); // prettier-ignore
  }

  /** The newest events of those that are wanted, newest first, at most so many. */
  async *newest(
    query: Query,
    most: number,
    wanted: (event: AuditEvent) => boolean = () => true,
  ): AsyncGenerator<AuditEvent> {
    let cursor: string | undefined;
    let left = most;
    let limit = Math.min(left, PAGE);
    while (left > 0) {
      const { events, next } = await this.page({ ...query, limit, cursor });
      const found = events.filter(wanted).slice(0, left);
      yield* found;
      left -= found.length;
      if (next === null) return;
      cursor = next;
      // Where others stand between, a page of the few that are left would be one request for each.
      limit = found.length < events.length ? PAGE : Math.min(left, PAGE);
    }
  }
}

function refusal(response: Response, text: string): string {
  // None in Nginx's own page, or another server's.
  const said = (parsed(text) ?? {}) as { error?: string; message?: string; requestId?: string };
  const id = said.requestId ?? response.headers.get("x-request-id");
  const what = [said.error, said.message].filter(Boolean).join(": ") || text.trim().slice(0, 200);
  return `the service answers ${response.status}${what === "" ? "" : ` ${what}`}${id ? `; audit logs --request ${id} shows more` : ""}`;
}
