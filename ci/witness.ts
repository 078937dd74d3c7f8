/**
 * Scheduled job: a witness of the log that the service keeps (docs/log.md). It fetches the newest checkpoint, verifies
 * its signature and that it extends the last one that this job saw, and keeps it where neither the service's operators
 * nor the database's can change it. If history was rewritten, the job fails and says so in one line.
 *
 * It runs the verifier of this repository, not of the deployed image. Variables: those of Vault's login (lib/vault.ts),
 * WITNESS_KEEP (lib/checkpoints.ts), and for the first run WITNESS_FIRST.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CHECKPOINT, checkpointsOf, isFirst, sizeOf } from "./lib/checkpoints";
import { publishedCopy } from "./lib/copy";
import { exec as realExec, ROOT, type Exec } from "./lib/exec";
import { Failure, optional, runJob, type Job } from "./lib/failure";
import { outputOf } from "./lib/placeholders";
import { conceal } from "./lib/secrets";
import { stackName } from "./lib/stack";
import { stackFile } from "./lib/stack-file";
import { logIn, type VaultSession } from "./lib/vault";

/** What auditors run, too. */
const VERIFIER = "audit-svc/src/verify-main.ts";

/** How it begins its line when it has found that. Node itself ends with the same code, 1, when it cannot start. */
const REWRITTEN = "HISTORY WAS REWRITTEN: ";

export async function witness(job: Job, exec: Exec, root = ROOT): Promise<void> {
  const seen = checkpointsOf(job);
  const { url, keys, token } = await askVault(job, root);
  const last = await seen.last();
  if (last === undefined && !isFirst(job))
    throw new Failure(
      `there is no checkpoint of an earlier run in ${seen.where}; if this is the first, run the schedule once with WITNESS_FIRST=true, otherwise find out who removed it`,
    );
  const directory = join(root, "build/witness");
  const file = join(directory, CHECKPOINT);
  const tokenFile = join(root, "build/witness-token");
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  if (last !== undefined) writeFileSync(file, last);
  writeFileSync(tokenFile, token, { mode: 0o600 });
  try {
    const args = ["witness", "--url", url, "--token-file", tokenFile, ...keys.flatMap((key) => ["--key", key])];
    const { code, all } = await exec(process.execPath, ["--import", "tsx", VERIFIER, ...args, "--since", file]);
    const line = all.trim().split("\n").at(-1) ?? "";
    if (code !== 0)
      throw new Failure(
        line.startsWith(REWRITTEN)
          ? `${line}; see docs/runbook.md, "A log that was rewritten"`
          : `the log could not be checked: ${line}`,
      );
    job.say(line);
  } finally {
    rmSync(tokenFile, { force: true });
  }
  const next = readFileSync(file, "utf8");
  if (last !== undefined && sizeOf(last) === sizeOf(next)) {
    job.say(`ok: nothing new since the last run, ${sizeOf(next)} entries`);
    return;
  }
  await seen.keep(next);
  job.say(`ok: the checkpoint of ${sizeOf(next)} entries is kept in ${seen.where}`);
}

/** What a deploy has published about the log, and the token of the reader. */
async function askVault(job: Job, root: string): Promise<{ url: string; keys: string[]; token: string }> {
  const stack = stackName(job);
  const vault = await logIn(job.env, optional(job.env, "VAULT_ROLE") ?? "audit-ci-witness");
  try {
    const copy = await publishedCopy(job, { vault });
    const [url, keys] = copy === undefined ? [] : [outputOf(copy.state, "serviceUrl"), outputOf(copy.state, "logKeys")];
    if (typeof url !== "string" || !Array.isArray(keys) || keys.length === 0)
      throw new Failure(`no deploy of stack ${stack} has published a log yet; set audit:log in Pulumi.${stack}.yaml and deploy`); // prettier-ignore
    return { url, keys: keys.map(String), token: await readerToken(vault, stackFile(root, stack)) };
  } finally {
    await vault.close();
  }
}

async function readerToken(vault: VaultSession, file: ReturnType<typeof stackFile>): Promise<string> {
  const mount = file("audit:vaultMount") ?? "secret";
  const path = `${file("audit:vaultPath") ?? "audit-svc/vm2"}-tokens/reader`;
  const { token } = (await vault.readSecret(mount, path)) ?? {};
  if (typeof token !== "string")
    throw new Failure(`Vault has no token at ${mount}/${path}; was the stack deployed with this audit:vaultPath?`);
  conceal(token);
  return token;
}

if (require.main === module) runJob((job) => witness(job, realExec));
