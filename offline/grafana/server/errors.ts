import type { Json } from "./model.js";

/** An answer that is not 2xx, with the body that Grafana gives. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly body: Json,
  ) {
    super(typeof body.message === "string" ? body.message : `HTTP ${status}`);
  }
}

/** `{"message": …}` */
export function plain(status: number, message: string): ApiError {
  return new ApiError(status, { message });
}

/** `{"status": …, "message": …}`: the form of errors about dashboards and folders (Grafana's pkg/services/dashboards/errors.go). */
export function named(status: number, name: string, message: string): ApiError {
  return new ApiError(status, { status: name, message });
}

/** The form of Grafana's errutil: a message id that programs can tell apart. */
export function identified(statusCode: number, messageId: string, message: string): ApiError {
  return new ApiError(statusCode, { message, messageId, statusCode, traceID: "" });
}

export function forbidden(permission: string): ApiError {
  return new ApiError(403, {
    accessErrorId: "ACE0000000000",
    message: `You'll need additional permissions to perform this action. Permissions needed: ${permission}`,
    title: "Access denied",
  });
}
