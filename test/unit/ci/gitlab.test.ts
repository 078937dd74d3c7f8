import assert from "node:assert/strict";
import { afterEach, describe, it } from "mocha";
import { codeBlock, keepComment } from "../../../ci/lib/gitlab";
import { failsWith } from "./support/job";
import { closeAll, double, type Asked, type Double } from "./support/servers";

interface Note {
  id: number;
  body: string;
  author: { id: number };
}

/** The documented part of GitLab's notes API: who am I, list by pages, make, change one's own. */
async function gitlabWith(notes: Note[], pageSize = 100): Promise<Double> {
  return double(({ method, path, headers, body }: Asked) => {
    if (headers["private-token"] !== "glpat-test-token") return { status: 401, body: { message: "401 Unauthorized" } };
    if (path === "/api/v4/user") return { body: { id: 7 } };
    const url = new URL(path, "http://x");
    const base = "/api/v4/projects/42/merge_requests/5/notes";
    if (method === "GET" && url.pathname === base) {
      const page = Number(url.searchParams.get("page"));
      const next = page * pageSize < notes.length ? String(page + 1) : "";
      return { body: notes.slice((page - 1) * pageSize, page * pageSize), headers: { "x-next-page": next } };
    }
    const text = (JSON.parse(body) as { body: string }).body;
    if (method === "POST" && url.pathname === base) {
      notes.push({ id: 100 + notes.length, body: text, author: { id: 7 } });
      return { status: 201, body: notes.at(-1) };
    }
    const note = notes.find(({ id }) => url.pathname === `${base}/${id}`);
    if (method !== "PUT" || note === undefined) return { status: 404, body: {} };
    if (note.author.id !== 7) return { status: 403, body: {} };
    note.body = text;
    return { body: note };
  });
}

const env = (api: Double) => ({ CI_API_V4_URL: `${api.url}/api/v4`, CI_PROJECT_ID: "42", CI_MERGE_REQUEST_IID: "5" });
const keep = (api: Double, text: string) => keepComment(env(api), "glpat-test-token", "pulumi-preview:vm2", text);

describe("ci: the comment on a merge request", () => {
  afterEach(closeAll);

  it("is created once, then updated, and left alone when nothing changed", async () => {
    const notes: Note[] = [{ id: 1, body: "looks good", author: { id: 9 } }];
    const api = await gitlabWith(notes);
    assert.equal(await keep(api, "first"), "made");
    assert.equal(await keep(api, "second"), "updated");
    assert.equal(await keep(api, "second"), "same");
    assert.deepEqual(
      notes.map(({ body }) => body),
      ["looks good", "<!-- pulumi-preview:vm2 -->\nsecond"],
    );
  });

  it("is found on a later page", async () => {
    const notes: Note[] = [1, 2, 3].map((id) => ({ id, body: `talk ${id}`, author: { id: 9 } }));
    notes.push({ id: 4, body: "<!-- pulumi-preview:vm2 -->\nold", author: { id: 7 } });
    assert.equal(await keep(await gitlabWith(notes, 2), "new"), "updated");
    assert.equal(notes.length, 4);
  });

  it("is not confused with a quote of it, or with another stack's", async () => {
    const notes: Note[] = [
      { id: 1, body: "<!-- pulumi-preview:vm2 -->\nquoted", author: { id: 9 } },
      { id: 2, body: "<!-- pulumi-preview:vm3 -->\nother", author: { id: 7 } },
    ];
    assert.equal(await keep(await gitlabWith(notes), "new"), "made");
    assert.equal(notes.length, 3);
  });

  it("says what is wrong with the token", async () => {
    const api = await gitlabWith([]);
    await failsWith(
      keepComment(env(api), "expired", "m", "t"),
      "GitLab refused GITLAB_TOKEN; it may have expired: make a project access token with scope api",
    );
    const reader = await double(({ method }) =>
      method === "POST" ? { status: 403 } : { body: method === "GET" ? [] : {} },
    );
    await failsWith(
      keepComment(env(reader), "t", "m", "t"),
      "GITLAB_TOKEN may not comment on merge requests; it needs scope api and the role Reporter",
    );
  });
});

describe("ci: a diff as a code block", () => {
  it("cannot be ended from within", () => {
    assert.equal(codeBlock("a\n```\n# injected", ""), "````diff\na\n```\n# injected\n````");
    assert.equal(codeBlock("plain", ""), "```diff\nplain\n```");
  });

  it("is truncated to fit, and says so", () => {
    const block = codeBlock("x".repeat(70_000), "the rest is elsewhere");
    assert.ok(block.length < 61_000);
    assert.ok(block.endsWith("```\n\nCut; the rest is elsewhere"));
  });
});
