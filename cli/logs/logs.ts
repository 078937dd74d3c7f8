import type { Context } from "../command";
import { CommandError, EXIT } from "../errors";
import { stateUnread } from "../state-problem";
import type { World } from "../world";
import { streamFromHost } from "../vm/stream";
import { Merge } from "./merge";
import { describe, isOf, readLine } from "./record";
import { sourceOf, type LogsOptions } from "./source";

export async function showLogs(options: LogsOptions, context: Context): Promise<number> {
  const world = await context.world({ settings: "file" });
  return options.part === "migrate" ? showMigration(world, context) : showContainers(options, world, context);
}

async function showContainers(options: LogsOptions, world: World, context: Context): Promise<number> {
  const { follow, request } = options;
  const { output, interrupts } = context;
  const { parts, where, shell, script, releases } = await sourceOf(options, world);
  let shown = 0;
  const merge = new Merge(follow, (record) => {
    shown += 1;
    output.answer(record, describe(record, output.style));
  });
  await streamFromHost(
    { shell, where },
    script,
    (line) => {
      const record = readLine(line, releases);
      if (record !== undefined && (request === undefined || isOf(record, request))) merge.add(record);
    },
    interrupts.signal,
  );
  merge.flush();
  if (interrupts.signal.aborted) return EXIT.interrupted;
  if (shown === 0 && request !== undefined)
    throw new CommandError(`no line of ${parts.join(" and ")} has the request id ${request}; of each container, only its last megabytes are kept`); // prettier-ignore
  return EXIT.ok;
}

/** As `pulumi stack export` has it. */
interface State {
  deployment: {
    resources?: { urn: string; modified?: string; outputs?: { stdout?: unknown; stderr?: unknown } }[];
  };
}

/** The one-shot's container is gone when it is done; what it printed is in the state. */
async function showMigration(world: World, { output }: Context): Promise<number> {
  const { code, stdout, all } = await world.pulumi(["stack", "export"]);
  if (code !== 0) throw stateUnread("the state", all);
  const { deployment } = JSON.parse(stdout) as State;
  const migration = deployment.resources?.find(({ urn }) => urn.endsWith("::audit-svc-migrate"));
  if (migration === undefined) throw new CommandError(`stack ${world.stack} has no migration yet: nothing has been deployed`); // prettier-ignore
  const { modified: time = "", outputs = {} } = migration;
  const texts = [outputs.stdout, outputs.stderr].map((text) => (typeof text === "string" ? text.trim() : ""));
  const lines = texts.flatMap((text) => (text === "" ? [] : text.split("\n")));
  for (const entry of lines) {
    const record = { time, container: "audit-svc-migrate", entry };
    output.answer(record, describe(record, output.style));
  }
  return EXIT.ok;
}
