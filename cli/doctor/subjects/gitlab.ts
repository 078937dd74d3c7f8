import { failure, ok, skipped, warning, type Finding, type Subject } from "../check";
import type { Access, BootstrapLook } from "../access";

const SETTINGS = "docs/reference.md, GitLab, has the table of GitLab's settings";

/** Its project, where the file and the token for it were given. */
async function known({ bootstrap, env }: Access): Promise<Finding> {
  const settings = await bootstrap();
  if (settings === undefined)
    return skipped("name bootstrap's file with --vault-settings vault.json to look at GitLab");
  if (!env.GITLAB_TOKEN) return skipped("set GITLAB_TOKEN (scope read_api, role Maintainer) to look at GitLab");
  await settings.gitlabDifferences(env.GITLAB_TOKEN);
  return ok(`${settings.gitlab.url} ${settings.gitlab.project}`);
}

/** What bootstrap --check says of GitLab, by what it concerns. */
const differences =
  (concerns: RegExp, fine: string) =>
  async ({ bootstrap, env }: Access): Promise<Finding> => {
    const found = (await (await bootstrap())?.gitlabDifferences(env.GITLAB_TOKEN ?? "")) ?? [];
    const mine = found.filter((line) => concerns.test(line));
    return mine.length === 0 ? ok(fine) : failure(mine.join("; "), SETTINGS);
  };

const projectOf = ({ gitlab: { project, projectId } }: BootstrapLook): string =>
  `projects/${projectId ?? encodeURIComponent(project)}`;

async function variables(access: Access): Promise<Finding> {
  const settings = await access.bootstrap();
  if (settings === undefined) return skipped("no settings of GitLab");
  const { status, body } = await access.gitlab(`${projectOf(settings)}/variables?per_page=100`);
  if (status !== 200) return skipped(`GITLAB_TOKEN may not read the project's variables (${status})`);
  const names = (body as { key: string }[]).map(({ key }) => key);
  if (!names.includes("VAULT_ADDR"))
    return warning(
      "the project has no variable VAULT_ADDR",
      "set it, here or for the group: the jobs log in to Vault there (docs/guide.md, step 1)",
    );
  return ok(`${names.length} variables, VAULT_ADDR among them`);
}

async function order(access: Access): Promise<Finding> {
  const settings = await access.bootstrap();
  if (settings === undefined) return skipped("no settings of GitLab");
  const group = `${projectOf(settings)}/resource_groups/${access.project.stack}`;
  const { status, body } = await access.gitlab(group);
  if (status === 404) return ok("the resource group comes with the first deploy");
  if (status !== 200) return skipped(`GITLAB_TOKEN may not read the resource group (${status})`);
  const { process_mode: mode } = body as { process_mode?: string };
  if (mode === "oldest_first" || mode === "newest_first" || mode === "newest_ready_first")
    return ok(`deploys run in order: ${mode}`);
  return warning(
    `deploys that wait run in no certain order (${mode ?? "?"})`,
    `PUT ${settings.gitlab.url}/api/v4/${group} with process_mode=oldest_first`,
  );
}

/** Only a runner can say this of itself. */
async function namespaces({ env, userNamespaces }: Access): Promise<Finding> {
  if (!env.CI) return skipped("the job image asks this of the runner");
  return (await userNamespaces())
    ? ok("this runner lets Buildah have a user namespace")
    : failure(
        "this runner lets nobody have a user namespace, which Buildah needs to build",
        'set security_opt = ["seccomp=unconfined"] for it, and sysctl kernel.apparmor_restrict_unprivileged_userns=0 where AppArmor forbids them',
      );
}

export const gitlab: Subject = {
  name: "GitLab",
  checks: [
    { id: "gitlab-known", title: "project", run: known },
    {
      id: "gitlab-tags",
      title: "protected tags",
      needs: "gitlab-known",
      run: differences(/\btags?\b/, "only those who may deploy create protected tags"),
    },
    {
      id: "gitlab-branches",
      title: "protected branches",
      needs: "gitlab-known",
      run: differences(/branch/, "nobody pushes past a merge request"),
    },
    {
      id: "gitlab-rest",
      title: "who may set what",
      needs: "gitlab-known",
      run: differences(
        /^(?!.*(\btags?\b|branch))/,
        "project, environment and pipeline variables are as the guide says",
      ),
    },
    { id: "gitlab-variables", title: "variables", needs: "gitlab-known", run: variables },
    { id: "gitlab-order", title: "process_mode", needs: "gitlab-known", run: order },
    { id: "gitlab-runner", title: "user namespaces", run: namespaces },
  ],
};
