import Type from "typebox";
import type { FieldError } from "./event.js";

/** The body of every answer that is not a success. */
export const ErrorBody = Type.Object(
  {
    error: Type.String({ description: "A code for programs" }),
    message: Type.String({ description: "For people" }),
    details: Type.Optional(
      Type.Array(
        Type.Object({
          index: Type.Integer({ description: "Position in the batch, from 0" }),
          field: Type.String({ description: "Empty when it is about the whole event" }),
          message: Type.String(),
        }),
        { description: "At most 20" },
      ),
    ),
    requestId: Type.Optional(Type.String()),
  },
  { additionalProperties: false },
);

/** An answer that is not a success. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly extra: { readonly details?: readonly FieldError[]; readonly retryAfter?: number } = {},
  ) {
    super(message);
  }

  // No stack trace: thousands of 503s a second must stay cheap, and nobody needs to know where they were created.
  static unavailable(code: string, message: string, retryAfter = 1): ApiError {
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    const error = new ApiError(503, code, message, { retryAfter });
    Error.stackTraceLimit = limit;
    return error;
  }
}

/** Refuses U+0000 in a query: PostgreSQL's text cannot hold it. @throws {ApiError} 400 */
export function refuseNul(field: string, value: string | undefined): void {
  if (value?.includes("\0") === true)
    throw new ApiError(400, "invalid_query", `${field} must not contain the character U+0000.`);
}
