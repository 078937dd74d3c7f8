/**
 * Deploys IMAGE (by digest, from the image job) to the stack. The program itself writes the stack's outputs for the
 * jobs that follow, to the file AUDIT_OUTPUTS_FILE, and this script links for the job's page, to AUDIT_LINKS_FILE. With
 * the argument `rollback` it deploys the former release instead. Before a first deploy it runs `audit doctor`. With
 * audit:imageKey in the stack's file the image must be signed (lib/check-signature.ts). Variables: see lib/stack.ts;
 * WITHOUT_DOCTOR=true has a first deploy begin whatever the doctor finds; GO_BACK_TO allows replacing a newer deploy
 * (lib/order.ts); LOCK_OWNER releases a lock that another machine left behind.
 */
import { rmSync } from "node:fs";
import { completeSpec, releaseId } from "../components/release/release";
import { MAX_REPLICAS } from "../components/vm/addresses";
import { writeRecord } from "../lib/deploy-record";
import { settingsOf, type ReloadPort, type SlotRelease } from "../lib/release-state";
import { NO_FORMER_RELEASE, planRollback } from "../lib/rollback";
import { checkSignature } from "./lib/check-signature";
import { makeCopy, publishCopy, versionsOf } from "./lib/copy";
import { exec as realExec, ROOT, type Exec } from "./lib/exec";
import { Failure, optional, reason, required, runJob, type Job } from "./lib/failure";
import { writeLinks } from "./lib/links";
import { deployedAs, refuseOlder } from "./lib/order";
import { checkImage, checkRepository, Stack, type StackOutputs } from "./lib/stack";

export async function deploy(job: Job, exec: Exec, root = ROOT): Promise<void> {
  const { env, say } = job;
  const rollback = job.argv[0] === "rollback";
  // The job's rules ensure this too, but a copy of the job with other rules must not deploy from any branch.
  if (env.CI_COMMIT_REF_PROTECTED !== "true") {
    throw new Failure(
      `${env.CI_COMMIT_TAG ?? env.CI_COMMIT_REF_NAME ?? "this ref"} is not protected, and only protected tags are deployed; see Settings > Repository > Protected tags`,
    );
  }
  const given = rollback
    ? undefined
    : checkImage(required(env, "IMAGE", "the image job hands it on; is there an image for this tag?"));
  // A runner may reuse the directory, and a failing deploy must not pass on another deploy's outputs.
  for (const file of [env.AUDIT_OUTPUTS_FILE, env.AUDIT_LINKS_FILE]) if (file) rmSync(file, { force: true });
  const work = async (stack: Stack): Promise<void> => {
    const before = await stack.outputs();
    if (given !== undefined) checkRepository(given, [await stack.config("audit:image"), before.image]);
    const { to, settings, message } =
      given === undefined ? former(before, env) : forward(before, await released(stack, given), env);
    if (!rollback) await refuseOlder(job, exec, await stack.history());
    await checkSignature(job, stack, to.image, root);
    await stack.checkHost();
    // Later ones have what the first needed, and the program checks before it changes anything what may have been lost.
    if (before.release === undefined && optional(env, "WITHOUT_DOCTOR") !== "true") await examine(stack);
    await stack.up(settings, message);
    const after = await stack.outputs();
    writeLinks(job, after);
    say(
      after.release === before.release
        ? `release ${after.release ?? ""} was deployed already`
        : `release ${before.release ?? "none"} -> ${after.release ?? ""}`,
    );
    say(`service:   ${after.serviceUrl ?? ""}`);
    say(`dashboard: ${after.dashboardUrl ?? ""}`);
    try {
      const state = await makeCopy(job, exec, await stack.export(), settings, root);
      const versions = await versionsOf(state, stack.credentials);
      const bytes = await publishCopy(job, stack.credentials, { state, deploy: message, versions });
      say(`published a copy of the state without its secrets, for previews and drift (${Math.ceil(bytes / 1024)} KiB)`);
    } catch (error) {
      // Only a warning, because the release is active: a failed job would suggest otherwise and skip the smoke test.
      say(`warning: previews and drift keep using the copy of an earlier deploy: ${reason(error)}`);
    }
  };
  await Stack.with(job, exec, work, root);
}

/** @throws Failure if anything is not as a first deploy needs it */
async function examine(stack: Stack): Promise<void> {
  if ((await stack.audit(["doctor"])) !== 0)
    throw new Failure(
      "nothing was deployed: audit doctor has found failures, see above; each line has its cure. Run the job again, or with the variable WITHOUT_DOCTOR=true to deploy all the same",
    );
}

/** The release that the program will create from an image. */
async function released(stack: Stack, image: string): Promise<SlotRelease> {
  // completeSpec() would name neither the key nor what it holds.
  const number = async (key: string, most = Infinity): Promise<number | undefined> => {
    const value = await stack.config(key);
    if (value === undefined) return undefined;
    if (/^\d+$/.test(value) && Number(value) >= 1 && Number(value) <= most) return Number(value);
    const range = most === Infinity ? "above 0" : `from 1 to ${most}`;
    throw new Failure(`${key} of stack ${stack.name} must be a whole number ${range}, not "${value}"`);
  };
  const { replicas, memory, reloadOn } = completeSpec({
    image,
    ...present("replicas", await number("audit:replicas", MAX_REPLICAS)),
    ...present("memory", await number("audit:memory")),
    ...present("reloadOn", (await stack.config("audit:reloadOn")) as ReloadPort | undefined),
  });
  return { release: releaseId({ image, replicas, memory, reloadOn }), image, replicas, memory, reloadOn };
}

const present = <T>(name: string, value: T | undefined): Record<string, T> =>
  value === undefined ? {} : { [name]: value };

/** What the record of a deploy says of the job. */
const recorded = (env: Job["env"]) => ({
  version: deployedAs(env),
  by: env.GITLAB_USER_LOGIN ?? "?",
  place: env.CI_PIPELINE_URL ?? "no pipeline",
});

function forward({ release: from }: StackOutputs, to: SlotRelease, env: Job["env"]) {
  const { version, ...job } = recorded(env);
  return { to, settings: settingsOf(to), message: writeRecord({ what: `deploy ${version}`, from, ...job }, to) };
}

/** @throws Failure if there is none */
function former(before: StackOutputs, env: Job["env"]) {
  const plan = planRollback(before, recorded(env));
  if (plan === undefined) throw new Failure(NO_FORMER_RELEASE);
  return plan;
}

if (require.main === module) runJob((job) => deploy(job, realExec));
