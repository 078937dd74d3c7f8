import { spawn } from "node:child_process";
import { once } from "node:events";
import { remoteShell } from "../../components/vm/host-script";
import { commandLine } from "../../lib/shell";
import type { Context } from "../command";
import { CommandError, EXIT } from "../errors";
import type { World } from "../world";
import { lookAtContainers, type Container, type Containers } from "./containers";

/** Runs a command in a container, with this terminal if there is one. @returns its exit code */
export async function runInContainer(
  named: string | undefined,
  command: readonly string[],
  context: Context,
): Promise<number> {
  const { output, interrupts } = context;
  const world = await context.world({ settings: "file" });
  if (world.values.platform === "kubernetes")
    throw new CommandError(
      `stack ${world.stack} runs on a cluster: kubectl --namespace ${world.values.kubeNamespace} exec -it deployment/audit-svc -- sh`,
    );
  const container = chosen(await lookAtContainers((line) => world.onHost(line)), named);
  const words = command.length === 0 ? ["sh"] : command;
  if (output.json) {
    const { code, stdout } = await captured(world, ["docker", "exec", container, ...words]);
    output.answer({ container, command: words, code, stdout }, "");
    return code;
  }
  const terminal = output.live;
  const line = commandLine(["docker", "exec", "--interactive", ...(terminal ? ["--tty"] : []), container, ...words]);
  return interrupts.attached(() => attached(shellFor(world, terminal), line));
}

/** @throws CommandError with the names that there are */
export function chosen({ containers, marker }: Containers, named: string | undefined): string {
  const running = containers.filter(({ state }) => state === "running");
  const short = ({ name }: Container): string => name.replace(/^audit-(svc-)?/, "");
  const found =
    named === undefined
      ? (running.find(({ slot }) => slot !== undefined && slot === marker) ??
        running.find(({ slot }) => slot !== undefined))
      : running.find((each) => [each.name, short(each), each.slot].includes(named) || ALIASES[named] === each.name);
  if (found !== undefined) return found.name;
  const there = running.map(short).join(", ") || "nothing";
  throw new CommandError(
    named === undefined
      ? `no replica runs; \`audit status\` says what does, and \`audit logs\` why`
      : `no container ${named} runs on the VM; there runs ${there}`,
  );
}

const ALIASES: Readonly<Record<string, string>> = { edge: "audit-edge-nginx", agent: "audit-svc-agent" };

/** ssh gives the program on the VM a terminal only if it is told to. */
const shellFor = ({ values: { hostAddress = "", hostSshOptions }, hostShell }: World, terminal: boolean): string =>
  terminal ? remoteShell(hostAddress, ["-t", ...hostSshOptions]) : hostShell;

async function attached(shell: string, line: string): Promise<number> {
  const child = spawn("sh", ["-c", `${shell} "$AUDIT_SCRIPT"`], {
    env: { ...process.env, AUDIT_SCRIPT: line },
    stdio: "inherit",
  });
  const [code] = (await once(child, "exit")) as [number | null];
  return code ?? EXIT.failed;
}

async function captured(world: World, words: readonly string[]): Promise<{ code: number; stdout: string }> {
  // What it prints on standard error is not part of the answer, and its exit code is.
  const printed = await world.onHost(`code=0; ${commandLine(words)} || code=$?; echo; echo "$code"`);
  const lines = printed.replace(/\n$/, "").split("\n");
  return { code: Number(lines.pop()), stdout: lines.join("\n").replace(/\n$/, "") };
}
