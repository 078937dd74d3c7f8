import { checkOwnDirs } from "../../offline/lib/paths.js";
import { UserError } from "../../offline/lib/user-error.js";
import { cluster } from "./cluster/cluster.js";
import { clusterDown } from "./cluster/down.js";
import { down } from "./down.js";
import { environmentOf, exportLines, serviceUrl } from "./environment.js";
import { endOnInterrupt, interrupt } from "./interrupt.js";
import { takeLock } from "./lock.js";
import { keepName } from "./name.js";
import { forgetVm2 } from "./platform/vm2.js";
import { Pulumi } from "./pulumi.js";
import { rollback } from "./rollback.js";
import { readSettings, rememberedPlace, type Settings } from "./settings.js";
import { clusterStack, sandboxStack } from "./stack-file.js";
import { State } from "./state.js";
import { up } from "./up.js";

const usage = `Usage: cli.ts <command>
  up [--platform]     everything from nothing to a running system; with --platform only what the program attaches to
  down [--delete-data]  removes what runs; volumes and keys stay, but with --delete-data
  rollback [--stack=cluster]  deploys the release before, without a build
  env [--stack=cluster]  export lines for: eval "$(make -s env)"
  cluster             a cluster of three nodes beside VM2, with the same service on it
  cluster-down        removes the cluster and what was made for it`;

async function main(): Promise<void> {
  const [command, ...options] = process.argv.slice(2);
  const settings = readSettings(process.env, rememberedPlace());
  const stacks = ["--stack=cluster", "--stack=sandbox"];
  const allowed: Record<string, string[]> = {
    ...{ up: ["--platform"], down: ["--delete-data"], rollback: stacks, env: stacks },
    ...{ cluster: [], "cluster-down": [] },
  };
  const known = allowed[command ?? ""];
  const unknown = options.find((option) => !known?.includes(option));
  if (!command || !known || unknown) {
    throw new UserError(
      `${unknown ? `Unknown option ${unknown}.` : `Unknown command ${command ?? "(none)"}.`}\n${usage}`,
    );
  }
  forgetVm2(process.env);
  checkOwnDirs([settings.stateDir]);
  const state = new State(settings);
  keepName(state, command);
  const stack = options.includes("--stack=cluster") ? clusterStack : sandboxStack;
  if (command === "env") {
    process.stdout.write(exportLines(await environmentOf(settings, state, stack)));
    return;
  }
  const release = takeLock(settings.stateDir, command);
  try {
    if (command === "up") {
      const platformOnly = options.includes("--platform");
      await up(settings, state, { platformOnly });
      process.stdout.write(platformOnly ? platformSummary(settings) : await summary(settings, state));
    } else if (command === "rollback") {
      process.stdout.write(await rollback(settings, state, stack));
    } else if (command === "cluster") {
      await cluster(settings, state);
      process.stdout.write(clusterSummary());
    } else if (command === "cluster-down") {
      await clusterDown(settings, state);
    } else {
      await down(settings, state, { deleteData: options.includes("--delete-data") });
    }
  } finally {
    release();
  }
}

async function summary(settings: Settings, state: State): Promise<string> {
  const outputs = await new Pulumi(settings, state, () => undefined).outputs();
  const text = (name: string): string => (typeof outputs[name] === "string" ? outputs[name] : "(no such output)");
  return `
The sandbox is up.

  Service            ${text("serviceUrl")}
  Dashboard          ${text("dashboardUrl")}
  nginx dashboard    ${text("nginxDashboardUrl")}
  Image              ${text("image")}
  Release            ${text("release")}
  Prometheus         http://127.0.0.1:${settings.ports.prometheus}
  Vault              http://127.0.0.1:${settings.ports.vault}

To look further:
  eval "$(make -s env)"     then pulumi, docker, vault and psql act on the sandbox:
  pulumi stack output       docker ps       vault kv list secret/audit-svc       npx audit psql
  npx audit status          what runs, and whether it is well; npx audit --help: the other commands
  curl -H "Authorization: Bearer $AUDIT_READ_TOKEN" "$AUDIT_URL/v1/events"
  make rollback             deploys the release before, in seconds, once there are two
  make down                 removes what runs and keeps the data; make down DATA=delete removes it all
`;
}

const platformSummary = (settings: Settings): string =>
  `\nThe platform is up; nothing is deployed yet. \`make up\` deploys the program to ${serviceUrl(settings)}.\n`;

const clusterSummary = (): string => `
The cluster is up.

  eval "$(make -s env STACK=cluster)"   then pulumi, kubectl, vault and psql act on it
  make rollback STACK=cluster           deploys the release before
  make cluster-down                     removes it and keeps VM2
`;

endOnInterrupt();
main().then(
  () => process.exit(interrupt.aborted ? 130 : 0),
  (error: unknown) => {
    if (interrupt.aborted) process.exit(130);
    process.stderr.write(
      UserError.is(error)
        ? `\nError: ${error.message}\n`
        : `\nUnexpected error; please report it with these lines:\n${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    process.exit(1);
  },
);
