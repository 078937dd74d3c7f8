import type { Context } from "../../../cli/command";
import { Interrupts } from "../../../cli/interrupts";
import { Output } from "../../../cli/output";
import type { Env } from "../../../cli/project";
import type { World } from "../../../cli/world";
import type { ExecResult } from "../../../ci/lib/exec";

/** What a command that is called in this process printed. */
export class Printed {
  out = "";
  err = "";
}

/** A context with a world of a test; `world` may leave out what the command does not ask. */
export function contextWith(
  world: object,
  { json = false, terminal = false, env = {} }: { json?: boolean; terminal?: boolean; env?: Env } = {},
): { context: Context; printed: Printed; interrupts: Interrupts } {
  const printed = new Printed();
  const streams = {
    out: (text: string) => (printed.out += text),
    err: (text: string) => (printed.err += text),
    ...{ terminal, columns: 80, rows: 30 },
  };
  const interrupts = new Interrupts(() => undefined);
  const output = new Output(streams, json, { NO_COLOR: "1" });
  const context = { output, env, cwd: "/", interrupts, world: () => Promise.resolve(world as World) };
  return { context, printed, interrupts };
}

/** The Pulumi CLI as a table: the first entry whose text the command line contains answers. */
export function pulumiWith(table: Record<string, unknown>): {
  pulumi: (args: readonly string[]) => Promise<ExecResult>;
  calls: string[];
} {
  const calls: string[] = [];
  const pulumi = (args: readonly string[]): Promise<ExecResult> => {
    const line = args.join(" ");
    calls.push(line);
    const found = Object.entries(table).find(([part]) => line.includes(part));
    if (found === undefined) throw new Error(`no answer for pulumi ${line}`);
    const [, answer] = found;
    if (answer instanceof Error) return Promise.resolve({ code: 255, stdout: "", all: answer.message });
    const stdout = typeof answer === "string" ? answer : JSON.stringify(answer);
    return Promise.resolve({ code: 0, stdout, all: stdout });
  };
  return { pulumi, calls };
}

const digest = (letter: string): string => `sha256:${letter.repeat(64)}`;
export const image = (letter: string): string => `registry.test/audit/audit-svc@${digest(letter)}`;
const slot = (letter: string, replicas: number) => ({
  ...{ release: letter.repeat(12), image: image(letter), replicas, memory: 256, reloadOn: "admin" as const },
});

/** Outputs after a second deploy: slot green serves. */
export const OUTPUTS = {
  ...{ serviceUrl: "https://audit.test", image: image("b"), release: "b".repeat(12) },
  releases: { active: "green" as const, slots: { blue: slot("a", 1), green: slot("b", 2) } },
};

export const HISTORY = [
  {
    ...{ version: 2, kind: "update", result: "succeeded", startTime: "2026-11-30T11:50:00.000Z" },
    endTime: "2026-11-30T11:50:40.000Z",
    message:
      "deploy v1.2.0 by alice: release aaaaaaaaaaaa -> bbbbbbbbbbbb (sha256:bbbbbbbbbbbb); https://gitlab.test/p/7",
    environment: { "git.head": "0123456789abcdef", "git.dirty": "false" },
    resourceChanges: { same: 80, update: 3, create: 2 },
    config: { "audit:registryPassword": { value: "hunter2-secret", secret: false } },
  },
  {
    ...{ version: 1, kind: "update", result: "failed", startTime: "2026-11-29T11:00:00.000Z" },
    ...{ message: "Try another memory\n\nand more", environment: { "git.head": "fedcba98", "git.dirty": "true" } },
  },
];

/** What containers.sh prints of the VM after that deploy. */
export function described(
  change: (containers: Record<string, object>) => void = () => undefined,
  marker = "green",
): string {
  const running = { state: "running", health: null, since: "2026-11-30T11:51:00.5Z", until: "0001-01-01T00:00:00Z" };
  const common = { release: "", image: "sha256:other", exitCode: 0, outOfMemory: false, restarts: 0, ...running };
  const containers: Record<string, object> = {
    "audit-svc-green-1": { ...common, release: "b".repeat(12), image: "sha256:b" },
    "audit-svc-green-2": { ...common, release: "b".repeat(12), image: "sha256:b" },
    "audit-svc-blue-1": { ...common, release: "a".repeat(12), image: "sha256:a", state: "exited", exitCode: 143, until: "2026-11-30T11:52:00Z" }, // prettier-ignore
    "audit-svc-agent": { ...common, health: "healthy" },
    "audit-edge-nginx": { ...common },
    "audit-edge-exporter": { ...common },
    "my-audit-tool": { ...common },
  };
  change(containers);
  const lines = [
    ...Object.entries(containers).map(([name, rest]) => ({ name: `/${name}`, ...rest })),
    ...["a", "b"].map((letter) => ({ id: `sha256:${letter}`, digests: [image(letter)] })),
    ...[{ id: "sha256:other", digests: null }, ...(marker === "" ? [] : [{ marker }])],
  ];
  return lines.map((line) => `${JSON.stringify(line)}\n`).join("");
}
