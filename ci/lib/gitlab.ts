import { Failure, reason, required, type Job } from "./failure";

interface Note {
  id: number;
  body: string;
  author: { id: number };
}

/** Maximum length of the comment; GitLab's own limit, 1,000,000 characters, is more than anybody reads. */
const LONGEST = 60_000;

/**
 * Keeps one comment on the job's merge request: creates or updates it.
 *
 * Needs GITLAB_TOKEN, a project access token with scope `api` (a job's own token may not comment), and the variables that
 * GitLab gives every merge request pipeline. https://docs.gitlab.com/api/notes/#merge-requests
 *
 * @param marker hidden text that identifies the comment
 */
export async function keepComment(
  env: Job["env"],
  token: string,
  marker: string,
  text: string,
): Promise<"made" | "updated" | "same"> {
  const api = required(env, "CI_API_V4_URL", "GitLab sets it in every job");
  const project = required(env, "CI_PROJECT_ID", "GitLab sets it in every job");
  const request = required(env, "CI_MERGE_REQUEST_IID", "the comment is for merge request pipelines");
  const notes = `projects/${encodeURIComponent(project)}/merge_requests/${request}/notes`;

  const call = async <T>(method: string, path: string, body?: object): Promise<{ value: T; next: string | null }> => {
    let response: Response;
    try {
      response = await fetch(`${api}/${path}`, {
        method,
        headers: { "private-token": token, "content-type": "application/json" },
        body: body === undefined ? undefined : JSON.stringify(body),
        signal: AbortSignal.timeout(30_000),
      });
    } catch (error) {
      throw new Failure(`GitLab's API at ${api} does not answer: ${reason(error)}`);
    }
    if (response.status === 401)
      throw new Failure("GitLab refused GITLAB_TOKEN; it may have expired: make a project access token with scope api");
    if (response.status === 403)
      throw new Failure("GITLAB_TOKEN may not comment on merge requests; it needs scope api and the role Reporter");
    if (!response.ok) throw new Failure(`GitLab answered ${response.status} to ${method} ${path}`);
    return { value: (await response.json()) as T, next: response.headers.get("x-next-page") };
  };

  const hidden = `<!-- ${marker} -->`;
  const body = `${hidden}\n${text}`;
  // Only the token's own comment can be changed; somebody may have quoted it together with its marker.
  const { value: self } = await call<{ id: number }>("GET", "user");
  let page: string | null = "1";
  while (page) {
    const found: { value: Note[]; next: string | null } = await call<Note[]>(
      "GET",
      `${notes}?per_page=100&page=${page}`,
    );
    const own = found.value.find((note) => note.author.id === self.id && note.body.startsWith(hidden));
    if (own?.body === body) return "same";
    if (own !== undefined) {
      await call("PUT", `${notes}/${own.id}`, { body });
      return "updated";
    }
    page = found.next;
  }
  await call("POST", notes, { body });
  return "made";
}

/** A text as a code block that its content cannot end, cut to fit into a comment. */
export function codeBlock(text: string, rest: string): string {
  const cut = text.length > LONGEST;
  const shown = cut ? text.slice(0, LONGEST) : text;
  const longest = Math.max(2, ...[...shown.matchAll(/`+/g)].map((run) => run[0].length));
  const fence = "`".repeat(longest + 1);
  return `${fence}diff\n${shown}\n${fence}${cut ? `\n\nCut; ${rest}` : ""}`;
}
