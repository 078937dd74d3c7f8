/**
 * Scheduled job: compares what exists with what the program wants, and fails with the differences if somebody changed
 * something by hand.
 *
 * It changes nothing and has no login that could: it runs on the copy of the state that the last deploy published
 * (lib/copy.ts), with read-only logins. Of secrets it compares only the versions, because it may not read them
 * (docs/decisions/0136).
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ReleaseState } from "../lib/release-state";
import { CopiedStack, publishedCopy, secretsIn, secretsOnCluster, versionsOf, type Published } from "./lib/copy";
import { demand, obtainCredentials, type Credentials } from "./lib/credentials";
import { exec as realExec, ROOT, type Exec } from "./lib/exec";
import { Failure, runJob, type Job } from "./lib/failure";
import { asDatabaseUser, outputOf } from "./lib/placeholders";
import { settingsOf } from "../lib/release-state";
import { mask } from "./lib/secrets";
import { openSession } from "./lib/session";
import { failed, grafanaHeaders, stackName, vaultLogin } from "./lib/stack";
import { stackFile } from "./lib/stack-file";
import { summary } from "./preview";

export async function drift(job: Job, exec: Exec, root = ROOT): Promise<void> {
  const credentials = await obtainCredentials(job, "drift");
  const { vault, values } = credentials;
  try {
    demand(credentials, "PGPASSWORD", "GRAFANA_AUTH");
    const copy = await publishedCopy(job, credentials);
    const releases = copy && (outputOf(copy.state, "releases") as unknown as ReleaseState | undefined);
    const serving = releases?.slots[releases.active];
    if (copy === undefined || serving === undefined) {
      throw new Failure(
        `no deploy of stack ${stackName(job)} has published a copy of its state yet, so there is nothing to compare`,
      );
    }
    const session = await openSession(job, credentials, exec, stackFile(root, stackName(job)), "read");
    const logins = {
      ...session.env,
      ...vaultLogin(vault),
      PGPASSWORD: values.PGPASSWORD ?? "",
      GRAFANA_HTTP_HEADERS: grafanaHeaders(values.GRAFANA_AUTH),
    };
    const compare = async (stack: CopiedStack) => {
      const user = stack.setting("audit:databaseDriftUser");
      if (user === undefined) {
        throw new Failure(
          `audit:databaseDriftUser is not set in Pulumi.${stack.name}.yaml; make a role without any right, as docs/reference.md, PostgreSQL, says, and deploy`,
        );
      }
      await stack.load(asDatabaseUser(copy.state, user));
      const options = [
        ...["--refresh", "--diff", "--expect-no-changes", "--config", `audit:databaseAdminUser=${user}`],
        // Excluded, because refreshing a secret would mean reading it.
        ...[...secretsIn(copy.state), ...secretsOnCluster(copy.state)].flatMap(({ urn }) => ["--exclude", urn]),
      ];
      return stack.preview(options, settingsOf(serving), job.say);
    };
    try {
      const result = await CopiedStack.with(job, exec, compare, root, logins);
      const written = await rewritten(copy, credentials);
      for (const line of written) job.say(line);
      mkdirSync(join(root, "build"), { recursive: true });
      writeFileSync(join(root, "build/drift.txt"), `${[mask(result.all).trim(), ...written].join("\n")}\n`);
      if (result.code !== 0 && !/no changes were expected/i.test(result.all)) throw failed("compare", result.all);
      const differences = [...(result.code === 0 ? [] : [summary(result.all)]), ...written];
      if (differences.length === 0) {
        job.say(`no drift since "${copy.deploy}"`);
        return;
      }
      throw new Failure(
        `the installation differs from what "${copy.deploy}" left (${differences.join(" ")}); see above or build/drift.txt, then deploy again or change the program`,
      );
    } finally {
      await session.close();
    }
  } finally {
    await vault.close();
  }
}

/** One sentence for each secret that was written after the deploy. */
async function rewritten({ state, versions }: Published, credentials: Credentials): Promise<string[]> {
  const present = await versionsOf(state, credentials);
  return Object.entries(versions)
    .filter(([secret, version]) => present[secret] !== version)
    .map(
      ([secret, version]) => `Vault's ${secret} is ${present[secret] ?? "gone"}, and the deploy left it ${version}.`,
    );
}

if (require.main === module) runJob((job) => drift(job, realExec));
