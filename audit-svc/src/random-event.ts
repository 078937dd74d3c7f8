import { uuidv7 } from "./ids.js";

const PEOPLE = ["anna", "boris", "chen", "dmitri", "elena", "farid", "galina", "hugo", "irina", "jonas", "katya", "li"];
const ACTIONS = [
  ["user.login", "session"],
  ["user.logout", "session"],
  ["document.read", "document"],
  ["document.update", "document"],
  ["document.delete", "document"],
  ["payment.create", "payment"],
  ["payment.refund", "payment"],
  ["role.grant", "role"],
  ["report.export", "report"],
] as const;

const pick = <T>(list: readonly [T, ...T[]] | readonly T[]): T => list[Math.floor(Math.random() * list.length)] as T;

/** A random event of the given application, happening now, with an id. */
export function randomEvent(application: string): {
  id: string;
  application: string;
  actor: string;
  action: string;
  resource: string;
  outcome: string;
  occurredAt: string;
  data: Record<string, unknown>;
} {
  const [action, kind] = pick(ACTIONS);
  const dice = Math.random();
  return {
    id: uuidv7(),
    application,
    actor: `${pick(PEOPLE)}@example.com`,
    action,
    resource: `${kind}/${Math.floor(Math.random() * 10_000)}`,
    outcome: dice < 0.9 ? "success" : dice < 0.95 ? "failure" : dice < 0.99 ? "denied" : "error",
    occurredAt: new Date().toISOString(),
    data: {
      address: `10.${Math.floor(Math.random() * 256)}.${Math.floor(Math.random() * 256)}.${Math.floor(Math.random() * 256)}`,
      requestMs: Math.round(Math.random() * 300),
      tags: [pick(["web", "mobile", "api"])],
    },
  };
}
