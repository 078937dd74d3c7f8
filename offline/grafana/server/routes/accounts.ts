import type { FastifyInstance } from "fastify";
import { Authenticator } from "../auth.js";
import { type Context, number, permissionsOf, route, slug, text } from "../context.js";
import { identified, plain } from "../errors.js";
import { type Json, ORG_ID, ORG_NAME, type ServiceAccount, type Token } from "../model.js";
import { ROLES } from "../settings.js";
import { newUid } from "../store.js";

/** The one organisation, the caller, and service accounts with their tokens. */
export function accountRoutes(app: FastifyInstance, context: Context): void {
  const { store } = context;
  const organisation = { id: ORG_ID, name: ORG_NAME };
  const address = { address1: "", address2: "", city: "", zipCode: "", state: "", country: "" };

  route(app, context, "GET", "/api/org", "Viewer", "orgs:read", () => ({ ...organisation, address }));
  route(app, context, "GET", "/api/orgs", "Admin", "orgs:read", () => [organisation]);
  route(app, context, "GET", "/api/orgs/:id", "Admin", "orgs:read", ({ params }) => {
    if (Number(params.id) !== ORG_ID) throw plain(404, "Organization not found");
    return { ...organisation, address };
  });
  route(app, context, "GET", "/api/user", "Viewer", "users:read", ({ identity }) => {
    if (identity.kind === "anonymous") throw identified(401, "auth.unauthorized", "Unauthorized");
    return {
      id: identity.id,
      email: `${identity.login}@localhost`,
      name: identity.login,
      login: identity.login,
      theme: "",
      orgId: ORG_ID,
      isGrafanaAdmin: identity.kind === "user" && identity.role === "Admin",
      isDisabled: false,
      isExternal: false,
    };
  });
  route(app, context, "GET", "/api/access-control/user/permissions", "Viewer", "users:read", ({ identity }) =>
    permissionsOf(identity),
  );
  route(app, context, "PUT", "/api/user/password", "Viewer", "users:write", () => {
    throw plain(
      400,
      "The preview keeps the administrator's password of its first start; begin with a new data directory.",
    );
  });

  const find = (id: string | undefined): ServiceAccount => {
    const account = store.state.serviceAccounts.find((candidate) => candidate.id === Number(id));
    if (account === undefined) throw identified(404, "serviceaccounts.ErrNotFound", "service account not found");
    return account;
  };
  const show = (account: ServiceAccount): Json => ({
    ...account,
    orgId: ORG_ID,
    avatarUrl: "",
    tokens: store.state.tokens.filter((token) => token.serviceAccountId === account.id).length,
  });
  const roleOf = (body: Json) => {
    const role = ROLES.find((candidate) => candidate === (text(body, "role") || "Viewer"));
    if (role === undefined) throw identified(400, "serviceaccounts.ErrInvalidRoleValue", "invalid role value");
    return role;
  };

  route(app, context, "POST", "/api/serviceaccounts", "Admin", "serviceaccounts:create", ({ body, reply }) => {
    const name = text(body, "name").trim();
    if (name === "") throw plain(400, "bad request data");
    const role = roleOf(body);
    const login = `sa-${ORG_ID}-${slug(name)}`;
    if (store.state.serviceAccounts.some((account) => account.login === login)) {
      throw identified(400, "serviceaccounts.ErrAlreadyExists", "service account already exists");
    }
    const account: ServiceAccount = {
      id: store.nextId(),
      uid: newUid(),
      name,
      login,
      role,
      isDisabled: body.isDisabled === true,
    };
    store.state.serviceAccounts.push(account);
    store.save();
    return reply.code(201).send(show(account));
  });
  route(app, context, "GET", "/api/serviceaccounts/search", "Admin", "serviceaccounts:read", ({ query }) => {
    const wanted = (query.get("query") ?? "").toLowerCase();
    const found = store.state.serviceAccounts.filter(({ name, login }) =>
      `${name} ${login}`.toLowerCase().includes(wanted),
    );
    return { totalCount: found.length, serviceAccounts: found.map(show), page: 1, perPage: 1000 };
  });
  route(app, context, "GET", "/api/serviceaccounts/:id", "Admin", "serviceaccounts:read", ({ params }) =>
    show(find(params.id)),
  );
  route(app, context, "PATCH", "/api/serviceaccounts/:id", "Admin", "serviceaccounts:write", ({ params, body }) => {
    const account = find(params.id);
    if (text(body, "name") !== "") account.name = text(body, "name");
    if (text(body, "role") !== "") account.role = roleOf(body);
    if (typeof body.isDisabled === "boolean") account.isDisabled = body.isDisabled;
    store.save();
    return { id: account.id, name: account.name, message: "Service account updated", serviceaccount: show(account) };
  });
  route(app, context, "DELETE", "/api/serviceaccounts/:id", "Admin", "serviceaccounts:delete", ({ params }) => {
    const account = find(params.id);
    const { state } = store;
    state.tokens = state.tokens.filter((token) => token.serviceAccountId !== account.id);
    state.serviceAccounts = state.serviceAccounts.filter((candidate) => candidate !== account);
    store.save();
    return { message: "Service account deleted" };
  });

  const describe = (token: Token): Json => {
    const left = token.expiration === undefined ? 0 : (Date.parse(token.expiration) - Date.now()) / 1000;
    return {
      id: token.id,
      name: token.name,
      created: token.created,
      lastUsedAt: token.lastUsedAt ?? null,
      expiration: token.expiration ?? null,
      secondsUntilExpiration: Math.max(left, 0),
      hasExpired: token.expiration !== undefined && left <= 0,
      isRevoked: false,
    };
  };
  route(app, context, "GET", "/api/serviceaccounts/:id/tokens", "Admin", "serviceaccounts:read", ({ params }) => {
    const account = find(params.id);
    return store.state.tokens.filter((token) => token.serviceAccountId === account.id).map(describe);
  });
  route(
    app,
    context,
    "POST",
    "/api/serviceaccounts/:id/tokens",
    "Admin",
    "serviceaccounts:write",
    ({ params, body }) => {
      const account = find(params.id);
      const name = text(body, "name");
      const seconds = number(body, "secondsToLive") ?? 0;
      if (name === "" || seconds < 0) throw plain(400, "bad request data");
      if (store.state.tokens.some((token) => token.serviceAccountId === account.id && token.name === name)) {
        throw identified(
          400,
          "serviceaccounts.ErrTokenAlreadyExists",
          "service account token with given name already exists",
        );
      }
      const { key, digest } = Authenticator.newKey();
      const now = Date.now();
      const token: Token = {
        id: store.nextId(),
        serviceAccountId: account.id,
        name,
        digest,
        created: new Date(now).toISOString(),
        expiration: seconds === 0 ? undefined : new Date(now + seconds * 1000).toISOString(),
        lastUsedAt: undefined,
      };
      store.state.tokens.push(token);
      store.save();
      return { id: token.id, name, key };
    },
  );
  route(
    app,
    context,
    "DELETE",
    "/api/serviceaccounts/:id/tokens/:token",
    "Admin",
    "serviceaccounts:write",
    ({ params }) => {
      const account = find(params.id);
      const token = store.state.tokens.find(
        ({ id, serviceAccountId }) => id === Number(params.token) && serviceAccountId === account.id,
      );
      if (token === undefined)
        throw identified(404, "serviceaccounts.ErrTokenNotFound", "service account token not found");
      store.state.tokens = store.state.tokens.filter((candidate) => candidate !== token);
      store.save();
      return { message: "Service account token deleted" };
    },
  );
}
