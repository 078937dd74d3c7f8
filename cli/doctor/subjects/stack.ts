import { loginProblems } from "../../../config/logins";
import { failure, ok, warning, type Finding, type Subject } from "../check";
import { stateProblem } from "../../state-problem";
import { NOT_GIVEN } from "../../world";
import type { Access } from "../access";

const LOGINS = ["VAULT_TOKEN", "PGPASSWORD", "GRAFANA_HTTP_HEADERS"];
const KEY = "hashivault://";

function logins({ env, values }: Access): Finding {
  const missing = LOGINS.filter((name) => !env[name]?.trim());
  if (values.registryPassword === NOT_GIVEN) missing.push("AUDIT_REGISTRY_PASSWORD");
  const problems = [...(missing.length === 0 ? [] : [`${missing.join(", ")} not set`]), ...loginProblems(env)];
  if (problems.length === 0) return ok(`${LOGINS.join(", ")} are set`);
  return failure(
    problems.join("; "),
    'export them: the pipeline reads them from Vault at ci/audit/deploy, the sandbox gives them by eval "$(make -s env)"',
  );
}

async function state({ pulumi, project }: Access): Promise<Finding> {
  const { code, all } = await pulumi(["stack", "output", "--json"]);
  if (code === 0) return ok(`stack ${project.stack} is there, and this login reads it`);
  if (all.includes("no stack named"))
    return failure(
      `there is no stack ${project.stack} yet`,
      `pulumi stack init ${project.stack} --secrets-provider ${KEY}pulumi, once (docs/guide.md, step 5)`,
    );
  const { found, cure } = stateProblem(all);
  return failure(`the state cannot be read: ${found}`, cure);
}

function encryption({ stackFile, project }: Access): Finding {
  const { secretsprovider, encryptedkey } = stackFile();
  if (typeof secretsprovider === "string" && secretsprovider.startsWith(KEY) && encryptedkey)
    return ok(`secrets in the state are encrypted by Vault's ${secretsprovider.slice(KEY.length)}`);
  if (secretsprovider === undefined && encryptedkey === undefined)
    return failure(
      `${project.file} names no key for the secrets in the state`,
      `pulumi stack init ${project.stack} --secrets-provider ${KEY}pulumi writes it; commit the file`,
    );
  return warning(
    "the secrets in the state are not encrypted by Vault",
    `pulumi stack change-secrets-provider ${KEY}pulumi`,
  );
}

async function lock({ pulumi, locks }: Access): Promise<Finding> {
  const holders = (await locks()) ?? [];
  if (holders.length > 0)
    return warning(
      `${holders.join(", ")} holds the state's lock: a deploy is under way, or ended without a word`,
      "wait for it; if nothing runs there: pulumi cancel",
    );
  const { code, stdout } = await pulumi(["stack", "history", "--json", "--page-size", "1"]);
  const updates =
    code === 0 && stdout.trim() !== "" ? (JSON.parse(stdout) as { result?: string; endTime?: string }[]) : [];
  const [last] = updates;
  if (last === undefined) return ok("there has been none");
  if (last.result === "in-progress")
    return warning("a deploy is under way, or ended without a word", "wait for it; if nothing runs: pulumi cancel");
  if (last.result === "failed")
    return warning(
      `the last one failed on ${last.endTime ?? "?"}`,
      "see its pipeline; the next deploy continues from there",
    );
  return ok("the last one has succeeded");
}

/** The settings themselves are read before any check; their mistakes are reported instead of this table. */
export const stack: Subject = {
  name: "The stack",
  checks: [
    { id: "stack-logins", title: "logins in the environment", run: logins },
    { id: "stack-state", title: "Pulumi's state", run: state },
    { id: "stack-encryption", title: "the state's key", run: encryption },
    { id: "stack-lock", title: "deploys", needs: "stack-state", run: lock },
  ],
};
