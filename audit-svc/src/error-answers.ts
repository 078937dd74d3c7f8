import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { ApiError } from "./api-error.js";
import { LogLimit } from "./log-limit.js";

/** What answers any error of a server in the common format, and logs those that are not the client's. */
export function errorAnswers(): (
  error: FastifyError | ApiError | Error,
  request: FastifyRequest,
  reply: FastifyReply,
) => void {
  const limit = new LogLimit();
  return (error, request, reply) => {
    const known = toApiError(error);
    if (known.status >= 500) {
      const pass = limit.pass(known.code);
      // An ApiError is described by its code; anything else is a bug and needs its stack trace.
      if (pass !== undefined && error instanceof ApiError)
        request.log.warn({ code: known.code, status: known.status, ...pass }, "request refused");
      else if (pass !== undefined)
        request.log.error({ err: error, cause: describeCause(error), code: known.code, ...pass }, "request failed");
    } else request.log.debug({ code: known.code, status: known.status }, "request refused");
    if (known.extra.retryAfter !== undefined) void reply.header("retry-after", String(known.extra.retryAfter));
    void reply
      .code(known.status)
      .type("application/json")
      .send({
        error: known.code,
        message: known.message,
        ...(known.extra.details === undefined ? {} : { details: known.extra.details }),
        requestId: request.id,
      });
  };
}

/** Of a path that nothing answers. */
export function notFound(): ApiError {
  return new ApiError(404, "not_found", "There is nothing here.");
}

function toApiError(error: FastifyError | ApiError | Error): ApiError {
  if (error instanceof ApiError) return error;
  const { statusCode, code } = error as FastifyError;
  if (code === "FST_ERR_CTP_INVALID_MEDIA_TYPE")
    return new ApiError(415, "unsupported_type", "Send application/json or application/x-ndjson.");
  if (code === "FST_ERR_CTP_BODY_TOO_LARGE") return new ApiError(413, "too_large", "The body is too large.");
  if (code === "FST_ERR_BAD_URL")
    return new ApiError(400, "bad_request", "The path is not valid: each % needs two hex digits that give UTF-8.");
  if (code === "FST_ERR_MAX_PARAM_LENGTH") return notFound();
  if (statusCode !== undefined && statusCode < 500) return new ApiError(statusCode, "bad_request", error.message);
  return new ApiError(500, "internal", "Something went wrong; the log has more under this request id.");
}

// The database's message may quote a value, so only its code is logged.
function describeCause(error: Error): string | undefined {
  const { code } = (error.cause ?? error) as { code?: string };
  return code;
}
