/** What nginx itself answers, said as the service says it: `{"error": code, "message": text, "requestId": id}`. */

export interface EdgeError {
  status: number;
  error: string;
  message: string;
  /** nginx's own codes that are answered so; default the status alone. */
  codes?: readonly number[];
  /** Ask clients to wait a second before they try again. */
  retry?: boolean;
}

export const NOT_FOUND: EdgeError = { status: 404, error: "not_found", message: "There is nothing here." };
export const NOT_ALLOWED: EdgeError = {
  status: 405,
  error: "method_not_allowed",
  message: "This path does not take this method.",
};

/**
 * 494 headers too large, 497 plain HTTP on the TLS port, 501 unknown transfer coding, 505 unknown version of HTTP: to the
 * client all of them are a request that cannot be read.
 */
export const ERRORS: readonly EdgeError[] = [
  {
    status: 400,
    error: "bad_request",
    message: "The request cannot be read.",
    codes: [400, 494, 495, 496, 497, 501, 505],
  },
  { status: 401, error: "no_token", message: "Send a valid token: Authorization: Bearer …" },
  { status: 403, error: "forbidden", message: "Access denied." },
  NOT_FOUND,
  NOT_ALLOWED,
  { status: 408, error: "timeout", message: "The request took too long to arrive." },
  { status: 411, error: "length_required", message: "Send a Content-Length." },
  { status: 413, error: "too_large", message: "The body is larger than this address takes." },
  { status: 414, error: "uri_too_long", message: "The address is too long." },
  {
    status: 429,
    error: "too_many_requests",
    message: "Rate limit exceeded; retry later.",
    retry: true,
  },
  {
    status: 503,
    error: "unavailable",
    message: "The service does not answer; try again.",
    // 500 is nginx's own for want of room in /tmp or a token that could not be checked: the same request may do well a moment later.
    codes: [500, 502, 503, 504],
    retry: true,
  },
];

/** nginx's codes for an upstream that could not be reached, or did not answer. */
export const UPSTREAM_FAILED: readonly number[] = [502, 504];

/** The text of an error, quoted for `return`. The id is made of safe characters only (clients.conf), so it cannot end the text. */
export function errorBody({ error, message }: EdgeError): string {
  return `'${JSON.stringify({ error, message, requestId: "$id" })}\\n'`;
}

/**
 * What errors.conf needs to answer nginx's own errors in this way.
 *
 * @param elsewhere codes that are answered otherwise; default none
 */
export function errorPages(elsewhere: readonly number[] = []) {
  return ERRORS.map((e) => ({
    status: e.status,
    codes: (e.codes ?? [e.status]).filter((code) => !elsewhere.includes(code)).join(" "),
    retry: e.retry === true,
    body: errorBody(e),
  }));
}
