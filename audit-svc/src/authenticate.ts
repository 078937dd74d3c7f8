import type { FastifyReply, FastifyRequest } from "fastify";
import { ApiError } from "./api-error.js";
import type { Principal, Tokens } from "./tokens.js";

declare module "fastify" {
  interface FastifyRequest {
    /** Who sends it; a property, because a WeakMap would cost the garbage collector more than everything else. */
    principal: Principal | null;
  }
}

/**
 * The sender of a request, by its token; also kept as `request.principal`.
 * @param role the required role; undefined = any
 * @throws {ApiError} 401 without a valid token, 403 for another role
 */
export function authenticate(
  tokens: Tokens,
  request: FastifyRequest,
  reply: FastifyReply,
  role?: Principal["role"],
): Principal {
  const principal = tokens.authenticate(request.headers.authorization);
  if (principal === undefined) {
    void reply.header("www-authenticate", 'Bearer realm="audit"');
    throw new ApiError(401, "no_token", "Send a valid token: Authorization: Bearer …");
  }
  request.principal = principal;
  if (role !== undefined && principal.role !== role)
    throw new ApiError(403, "wrong_role", `This needs a token of the role ${role}.`);
  return principal;
}
