import { createHash, randomBytes, scryptSync, timingSafeEqual } from "node:crypto";
import type { FastifyRequest } from "fastify";
import { identified } from "./errors.js";
import { ORG_ID, type User } from "./model.js";
import { ROLES, type Role, type Settings } from "./settings.js";
import type { Store } from "./store.js";

/** Who is asking. */
export interface Identity {
  readonly kind: "user" | "service-account" | "anonymous";
  readonly id: number;
  readonly login: string;
  readonly role: Role;
}

export const SESSION_COOKIE = "grafana_session";
const SESSION_LIFETIME_MS = 7 * 24 * 3600 * 1000;

function digest(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}

export function hashPassword(password: string, salt = randomBytes(16).toString("hex")): string {
  return `${salt}:${scryptSync(password, salt, 32).toString("hex")}`;
}

function passwordMatches(user: User, password: string): boolean {
  const salt = user.password.split(":")[0] ?? "";
  return timingSafeEqual(Buffer.from(hashPassword(password, salt)), Buffer.from(user.password));
}

/** Makes the first user of a new data directory; an existing one keeps the password it has, whatever the environment says. */
export function ensureAdmin(store: Store, settings: Settings): void {
  if (store.state.users.length > 0) return;
  store.state.users.push({
    id: store.nextId(),
    login: settings.adminUser,
    password: hashPassword(settings.adminPassword),
    role: "Admin",
  });
  store.save();
}

/** Tells who a request is from, by session cookie, `Authorization: Basic` or `Authorization: Bearer`. */
export class Authenticator {
  /** Passwords that were right lately, so that scrypt does not run for each of a page's queries. Holds digests only. */
  private readonly recent = new Map<string, number>();

  constructor(
    private readonly store: Store,
    private readonly settings: Settings,
  ) {}

  /** Throws 401 where credentials are wrong, or missing while nobody may come in anonymously. */
  identify(request: FastifyRequest): Identity {
    const organisation = request.headers["x-grafana-org-id"];
    const identity = this.tryIdentify(request);
    if (identity === undefined) throw identified(401, "auth.unauthorized", "Unauthorized");
    if (organisation !== undefined && organisation !== "" && Number(organisation) !== ORG_ID) {
      throw identified(401, "auth.unauthorized", "Unauthorized");
    }
    return identity;
  }

  /** As {@link identify}, but undefined where nobody is logged in. Wrong credentials still throw. */
  tryIdentify(request: FastifyRequest): Identity | undefined {
    const header = request.headers.authorization;
    if (header?.startsWith("Bearer ")) return this.byToken(header.slice(7).trim());
    if (header?.startsWith("Basic ")) {
      const [login = "", ...rest] = Buffer.from(header.slice(6), "base64").toString("utf8").split(":");
      const password = rest.join(":");
      // A service account's token may also be sent as the password of the user "api_key".
      return login === "api_key" ? this.byToken(password) : this.byPassword(login, password);
    }
    const cookie = /(?:^|;\s*)grafana_session=([^;]+)/.exec(request.headers.cookie ?? "")?.[1];
    const user = cookie === undefined ? undefined : this.bySession(cookie);
    if (user !== undefined) return user;
    if (this.settings.anonymousRole === undefined) return undefined;
    return { kind: "anonymous", id: 0, login: "", role: this.settings.anonymousRole };
  }

  byPassword(login: string, password: string): Identity {
    const user = this.store.state.users.find((candidate) => candidate.login === login);
    const key = digest(`${login}\n${password}\n${user?.password ?? ""}`);
    const known = (this.recent.get(key) ?? 0) > Date.now();
    if (user === undefined || (!known && !passwordMatches(user, password))) {
      throw identified(401, "password-auth.failed", "Invalid username or password");
    }
    if (!known) {
      this.recent.clear();
      this.recent.set(key, Date.now() + 60_000);
    }
    return { kind: "user", id: user.id, login: user.login, role: user.role };
  }

  /** Opens a session and returns what belongs into the cookie. */
  openSession(user: Identity): string {
    const secret = randomBytes(24).toString("hex");
    const { state } = this.store;
    state.sessions = state.sessions.filter((session) => session.expires > Date.now()).slice(-200);
    state.sessions.push({ digest: digest(secret), userId: user.id, expires: Date.now() + SESSION_LIFETIME_MS });
    this.store.save();
    return secret;
  }

  closeSession(request: FastifyRequest): void {
    const cookie = /(?:^|;\s*)grafana_session=([^;]+)/.exec(request.headers.cookie ?? "")?.[1];
    if (cookie === undefined) return;
    const { state } = this.store;
    state.sessions = state.sessions.filter((session) => session.digest !== digest(cookie));
    this.store.save();
  }

  /** Makes a service account's key; returns it with the digest under which it is kept. */
  static newKey(): { key: string; digest: string } {
    const key = `glsa_${randomBytes(24).toString("base64url")}_${randomBytes(4).toString("hex")}`;
    return { key, digest: digest(key) };
  }

  private bySession(cookie: string): Identity | undefined {
    const session = this.store.state.sessions.find((candidate) => candidate.digest === digest(cookie));
    if (session === undefined || session.expires < Date.now()) return undefined;
    const user = this.store.state.users.find((candidate) => candidate.id === session.userId);
    return user && { kind: "user", id: user.id, login: user.login, role: user.role };
  }

  private byToken(key: string): Identity {
    const wanted = digest(key);
    const token = this.store.state.tokens.find((candidate) => candidate.digest === wanted);
    const account = this.store.state.serviceAccounts.find((candidate) => candidate.id === token?.serviceAccountId);
    if (token === undefined || account === undefined) throw identified(401, "api-key.invalid", "Invalid API key");
    if (token.expiration !== undefined && Date.parse(token.expiration) < Date.now()) {
      throw identified(401, "api-key.expired", "Expired API key");
    }
    if (account.isDisabled) throw identified(401, "service-account.disabled", "Disabled service account");
    // In memory only: a read is not worth a write to the disk.
    token.lastUsedAt = new Date().toISOString();
    return { kind: "service-account", id: account.id, login: account.login, role: account.role };
  }
}

export function hasRole(identity: Identity, needed: Role): boolean {
  return ROLES.indexOf(identity.role) >= ROLES.indexOf(needed);
}
