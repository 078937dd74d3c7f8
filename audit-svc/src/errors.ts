/** An operator's mistake: shown as one message, without a stack trace. */
export class UserError extends Error {
  override readonly name = "UserError";
}

/** Node's codes for a certificate from an unknown authority. */
const UNKNOWN_AUTHORITY = [
  "SELF_SIGNED_CERT_IN_CHAIN",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
];

/**
 * The text of anything thrown, for logs and answers. `pg` and Node throw an AggregateError with an empty message if all
 * addresses fail.
 */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.map(reasonOf).join("; ");
  if (!(error instanceof Error)) return String(error);
  const text = error.message || error.name;
  return UNKNOWN_AUTHORITY.includes((error as NodeJS.ErrnoException).code ?? "")
    ? `${text}; set database.caCertificate to the PEM text of the authority that signed the server's certificate`
    : text;
}
