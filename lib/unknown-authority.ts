import { argumentName } from "./argument-names";
import { rangeHint } from "./proxy";

/** Node's names for a certificate that no known authority has signed: https://nodejs.org/api/tls.html#x509-certificate-error-codes */
const CODES = new Set([
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "CERT_UNTRUSTED",
  "CERT_SIGNATURE_FAILURE",
  "INVALID_CA",
]);

export function isUnknownAuthority(error: unknown): boolean {
  return CODES.has((error as { code?: string } | undefined)?.code ?? "");
}

/** The cure for a request's error, appended to its message; empty unless the authority is unknown. */
export function authorityHint(error: unknown): string {
  return isUnknownAuthority(error)
    ? `; no known authority has signed its certificate: name yours in ${argumentName("the argument authority")} (a deploy), AUDIT_CA_FILE (a job) or NODE_EXTRA_CA_CERTS (by hand)`
    : "";
}

/** Why a fetch() got no answer, and the cure. Its own message says only "fetch failed"; the cause has the reason. */
export function whyNoAnswer(error: unknown, env: Readonly<Record<string, string | undefined>> = process.env): string {
  let cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  // A name with several addresses: each attempt failed, and the aggregate error has no message.
  if (cause instanceof AggregateError) cause = cause.errors[0];
  const hint = authorityHint(cause) || (isOfNetwork(cause) ? rangeHint(env) : "");
  return `${cause instanceof Error ? cause.message : String(cause)}${hint}`;
}

/** Not an answer that cannot be read, and not a program that cannot be run: callers ask about these, too. */
function isOfNetwork(error: unknown): boolean {
  const { code, syscall } = (error ?? {}) as { code?: unknown; syscall?: string };
  return code !== undefined && syscall?.startsWith("spawn") !== true;
}
