import type { HostFacts } from "../../../../../cli/doctor/access";
import type { Level } from "../../../../../cli/doctor/check";
import { NOW, reply, type Answers } from "../world";

/** A world in which one thing is broken, and what the check says of it. */
export interface Broken {
  readonly what: string;
  readonly settings?: Record<string, string>;
  readonly change?: (answers: Answers) => void;
  readonly level?: Level;
  readonly found: RegExp;
  readonly cure: RegExp;
}

export const host = (change: Partial<HostFacts>) => (answers: Answers) => {
  answers.host = { ...(answers.host as HostFacts), ...change };
};
export const set =
  <K extends keyof Answers>(key: K, change: Partial<Answers[K]>) =>
  (answers: Answers) => {
    answers[key] = { ...(answers[key] as object), ...change } as Answers[K];
  };
export const ssh = (said: string) => (answers: Answers) => {
  answers.host = new Error(said);
};
export const notPulled = (message: string) => set("engine", { "/distribution/*": reply({ message }, 500) });
export const unanswered = (said: string) => set("sql", { one: new Error(said) });
export const differs = (line: string) => (answers: Answers) => {
  if (answers.bootstrap) answers.bootstrap = { ...answers.bootstrap, gitlabDifferences: () => Promise.resolve([line]) };
};
export const certificate = (setting: string): readonly Broken[] => [
  {
    what: `${setting}: it is signed by an unknown authority`,
    change: (answers) => {
      answers.certificates = [{ setting, problem: `${setting} has a certificate that no known authority has signed` }];
    },
    found: /no known authority has signed/,
    cure: /./,
  },
  {
    what: `${setting}: the server does not answer`,
    change: (answers) => {
      answers.certificates = [{ setting, unanswered: "connect ECONNREFUSED" }];
    },
    level: "skipped",
    found: /^no certificate to look at: connect ECONNREFUSED$/,
    cure: /^$/,
  },
];
export const image = (key: string): readonly Broken[] => [
  {
    what: "the login is refused",
    change: notPulled("unauthorized: authentication required"),
    found: /cannot pull .*unauthorized/,
    cure: /AUDIT_REGISTRY_PASSWORD/,
  },
  {
    what: "the digest is gone",
    change: notPulled("manifest unknown"),
    found: /manifest unknown/,
    cure: new RegExp(`digest in audit:${key} right`),
  },
];
export const behind = (machine: string, change: (answers: Answers) => void): readonly Broken[] => [
  {
    what: "it is two minutes behind",
    change,
    found: new RegExp(`${machine} is 120 s behind this machine`, "i"),
    cure: /chrony/,
  },
];
export const late = NOW - 120_000;
