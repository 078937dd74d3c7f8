/** Errors that nginx itself answers, in the service's format: `{"error": code, "message": text, "requestId": id}`. */

export interface EdgeError {
  status: number;
  error: string;
  message: string;
  /** nginx's codes that get this answer; default: only the status itself. */
  codes?: readonly number[];
  /** Ask clients to wait a second before they retry. */
  retry?: boolean;
}

export const NOT_FOUND: EdgeError = { status: 404, error: "not_found", message: "There is nothing here." };
export const NOT_ALLOWED: EdgeError = {
  status: 405,
  error: "method_not_allowed",
  message: "This path does not take this method.",
};

/**
 * 494 headers too large, 497 plain HTTP on the TLS port, 501 unknown transfer coding, 505 unknown version of HTTP: for
 * the client each of them means that the request cannot be read.
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
  { status: 413, error: "too_large", message: "The request body is too large." },
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
    message: "The service does not answer; retry later.",
    // nginx answers 500 if /tmp is full or a token could not be checked; the same request may succeed a moment later.
    codes: [500, 502, 503, 504],
    retry: true,
  },
];

/** nginx's codes for an upstream that could not be reached, or did not answer. */
export const UPSTREAM_FAILED: readonly number[] = [502, 504];

/**
 * The text of an error, quoted for `return`. The id contains only safe characters (clients.conf), so it cannot end the
 * quoted text.
 */
export function errorBody({ error, message }: EdgeError): string {
  return `'${JSON.stringify({ error, message, requestId: "$id" })}\\n'`;
}

/**
 * The view of errors.conf, which answers nginx's own errors in this format.
 *
 * @param elsewhere codes that are handled elsewhere; default: none
 */
export function errorPages(elsewhere: readonly number[] = []) {
  return ERRORS.map((e) => ({
    status: e.status,
    codes: (e.codes ?? [e.status]).filter((code) => !elsewhere.includes(code)).join(" "),
    retry: e.retry === true,
    body: errorBody(e),
  }));
}
