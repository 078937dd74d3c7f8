import { headersOf } from "../lib/header-text";
import { whyNoAnswer } from "../lib/unknown-authority";
import { SetupError } from "../lib/vault/plan";
import type { VaultSettings } from "./settings";

/** GitLab's access level of the role Developer. */
const DEVELOPER = 30;

interface Access {
  access_level?: number | null;
}
interface Project {
  id: number;
  path_with_namespace: string;
  default_branch?: string | null;
  restrict_user_defined_variables?: boolean;
  /** GitLab 17.1 and newer. */
  ci_pipeline_variables_minimum_override_role?: string;
}
interface ProtectedTag {
  name: string;
  create_access_levels?: Access[];
}
interface ProtectedBranch {
  name: string;
  push_access_levels?: Access[];
  allow_force_push?: boolean;
}
interface ProtectedEnvironment {
  deploy_access_levels?: Access[];
}

/**
 * Checks the GitLab settings on which the roles in Vault depend: these trust an ID token's ref and environment, and
 * GitLab's settings decide who may create such a ref. Changes nothing.
 *
 * @param token has the scope read_api and the role Maintainer
 * @returns one sentence for each setting that gives developers a right that the guide reserves for those who may deploy
 * @throws SetupError if GitLab cannot be queried
 */
export async function gitlabDifferences({ gitlab, deployFrom }: VaultSettings, token: string): Promise<string[]> {
  const project = `projects/${gitlab.projectId ?? encodeURIComponent(gitlab.project)}`;
  const ask = asking(gitlab.url, token);
  const found = await ask.one<Project>(project);
  if (found === undefined) {
    throw new SetupError(
      `GitLab has no project ${gitlab.projectId ?? gitlab.project} that GITLAB_TOKEN may see; see gitlab in the settings.`,
    );
  }
  const tags = await ask.all<ProtectedTag>(`${project}/protected_tags`);
  const branches = await ask.all<ProtectedBranch>(`${project}/protected_branches`);
  const environment =
    gitlab.protectedEnvironment === undefined
      ? undefined
      : await ask.one<ProtectedEnvironment>(
          `${project}/protected_environments/${encodeURIComponent(gitlab.protectedEnvironment)}`,
        );
  const main = branches.find(({ name }) => name === gitlab.defaultBranch);
  return [
    ...when(
      found.path_with_namespace !== gitlab.project,
      `project ${found.id} is ${found.path_with_namespace}, and gitlab.project says ${gitlab.project}`,
    ),
    ...when(
      found.default_branch !== gitlab.defaultBranch,
      `the default branch is ${found.default_branch ?? "none"}, and gitlab.defaultBranch says ${gitlab.defaultBranch}`,
    ),
    ...when(
      deployFrom === "tag" && tags.length === 0,
      "no tag is protected, so none can be deployed: protect v* in Settings > Repository > Protected tags",
    ),
    ...tags
      .filter(({ create_access_levels }) => developersAmong(create_access_levels))
      .map(
        ({ name }) =>
          `developers may create the protected tags ${name}, and with them deploy: allow maintainers or named users`,
      ),
    ...when(
      main === undefined,
      `the branch ${gitlab.defaultBranch} is not protected, or only by a pattern: protect it by its name in Settings > Repository > Protected branches`,
    ),
    ...branches
      .filter(({ push_access_levels }) => developersAmong(push_access_levels))
      .map(
        ({ name }) =>
          `developers may push to the protected branch ${name} without a merge request: allow maintainers or nobody`,
      ),
    ...when(
      main?.allow_force_push === true,
      `the branch ${gitlab.defaultBranch} may be rewritten: switch off force push`,
    ),
    ...when(
      variablesAreFree(found),
      "developers may give variables to the pipelines that they start, and with them change a job's image: set Settings > CI/CD > Variables > Minimum role to use pipeline variables to Maintainer or higher",
    ),
    ...(gitlab.protectedEnvironment === undefined
      ? []
      : environmentDifferences(gitlab.protectedEnvironment, environment)),
  ];
}

function environmentDifferences(name: string, found: ProtectedEnvironment | undefined): string[] {
  if (found === undefined)
    return [
      `the environment ${name} is not protected, so Vault lets no deploy in: protect it in Settings > CI/CD > Protected environments, or leave out gitlab.protectedEnvironment where GitLab's edition has none`,
    ];
  return when(
    developersAmong(found.deploy_access_levels),
    `developers may deploy to the environment ${name}: allow maintainers or named users`,
  );
}

const when = (differs: boolean, sentence: string): string[] => (differs ? [sentence] : []);

const developersAmong = (levels: readonly Access[] = []): boolean =>
  levels.some(({ access_level }) => access_level === DEVELOPER);

/** Before 17.1 any restriction meant maintainers. */
const variablesAreFree = (project: Project): boolean =>
  project.restrict_user_defined_variables !== true ||
  project.ci_pipeline_variables_minimum_override_role === "developer";

/** Client of GitLab's REST API. It returns undefined for 404. */
function asking(url: string, token: string) {
  const get = async (path: string): Promise<Response | undefined> => {
    const address = `${url}/api/v4/${path}`;
    let response: Response;
    try {
      response = await fetch(address, {
        headers: headersOf({ "private-token": token }),
        signal: AbortSignal.timeout(30_000),
      });
    } catch (error) {
      throw new SetupError(`GitLab at ${url} does not answer: ${whyNoAnswer(error)}`);
    }
    if (response.status === 404) return undefined;
    if (response.status === 401) throw new SetupError("GitLab refused GITLAB_TOKEN; it may have expired.");
    if (response.status === 403)
      throw new SetupError(
        `GITLAB_TOKEN may not read ${path}; it needs the scope read_api, of somebody with the role Maintainer.`,
      );
    if (!response.ok) throw new SetupError(`GitLab answered ${response.status} to GET ${address}`);
    return response;
  };
  return {
    one: async <T>(path: string) => (await get(path))?.json() as Promise<T> | undefined,
    all: async <T>(path: string): Promise<T[]> => {
      const items: T[] = [];
      for (let page: string | null = "1"; page;) {
        const response: Response | undefined = await get(`${path}?per_page=100&page=${page}`);
        if (response === undefined) break;
        items.push(...((await response.json()) as T[]));
        page = response.headers.get("x-next-page");
      }
      return items;
    },
  };
}
