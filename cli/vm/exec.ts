import { spawn } from "node:child_process";
import { once } from "node:events";
import { askHost } from "../../components/vm/ask-host";
import { remoteShell } from "../../lib/remote-shell";
import { commandLine } from "../../lib/shell";
import type { Context } from "../command";
import { chosenPod, HERE, kubectl, podsOf } from "../cluster/pods";
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
  // Docker refuses a terminal to a program whose input is a pipe.
  const terminal = output.live && process.stdin.isTTY;
  const { container, shell, ask, before } = await placeOf(world, named, terminal);
  const words = command.length === 0 ? ["sh"] : command;
  if (output.json) {
    const { code, stdout } = await captured(ask, before([], words));
    output.answer({ container, command: words, code, stdout }, "");
    return code;
  }
  const line = commandLine(before(["-i", ...(terminal ? ["-t"] : [])], words));
  return interrupts.attached(() => attached(shell, line));
}

/** Where the command runs, and what stands before its words. */
interface Place {
  readonly container: string;
  /** The command before a shell line. */
  readonly shell: string;
  /** Runs a shell line there. @returns what it printed */
  readonly ask: (line: string) => Promise<string>;
  readonly before: (options: readonly string[], words: readonly string[]) => string[];
}

async function placeOf(world: World, named: string | undefined, terminal: boolean): Promise<Place> {
  const { values } = world;
  if (values.platform === "kubernetes") {
    const { pod, container } = chosenPod(await podsOf(values), named);
    return {
      ...{ container: pod, shell: HERE, ask: (line) => askHost(HERE, line) },
      before: (options, words) => [
        ...[...kubectl(values), "exec", ...options, pod, "--container", container, "--"],
        ...words,
      ],
    };
  }
  const ask = (line: string): Promise<string> => world.onHost(line);
  const container = chosen(await lookAtContainers(ask), named);
  const before: Place["before"] = (options, words) => ["docker", "exec", ...options, container, ...words];
  return { container, shell: shellFor(world, terminal), ask, before };
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

async function captured(ask: Place["ask"], words: readonly string[]): Promise<{ code: number; stdout: string }> {
  // What it prints on standard error is not part of the answer, and its exit code is.
  const printed = await ask(`code=0; ${commandLine(words)} || code=$?; echo; echo "$code"`);
  const lines = printed.replace(/\n$/, "").split("\n");
  return { code: Number(lines.pop()), stdout: lines.join("\n").replace(/\n$/, "") };
}
