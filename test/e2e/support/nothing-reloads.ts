import assert from "node:assert/strict";
import { exchange, statuses } from "./raw";
import { reloadCorpus, type RawRequest } from "./reload-corpus";
import { reloadsOf } from "./replicas";
import type { Sandbox } from "./sandbox";

/**
 * Sends the whole corpus to the edge and asserts that every answer is 404 or 400 and that no replica was asked to
 * reload.
 *
 * @param noEvent the service's answer to a POST of events without a token and without a valid event
 */
export async function nothingReloads(sandbox: Sandbox, noEvent = 401): Promise<void> {
  const url = sandbox.get("AUDIT_URL");
  const before = await reloadsOf(sandbox);
  await refusesAll(url, reloadCorpus(new URL(url).host), noEvent);
  assert.deepEqual(await reloadsOf(sandbox), before);
}

/** Sends each of these requests and asserts that the answer is 404, 400 or one that the request allows. */
export async function refusesAll(url: string, corpus: readonly RawRequest[], noEvent = 401): Promise<void> {
  assert.ok(corpus.length >= 300, `only ${corpus.length} requests`);
  const wrong: string[] = [];
  const waiting = [...corpus];
  const sender = async (): Promise<void> => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const { name, bytes, also = [] } = next;
      const answers = statuses(await exchange(url, bytes));
      // No answer is allowed too: the connection was closed, and nothing was passed on.
      const right = [400, 404, ...also.map((status) => (status === 401 ? noEvent : status))];
      const odd = answers.filter((status) => !right.includes(status));
      if (odd.length > 0) wrong.push(`${name}: ${answers.join(", ")}`);
    }
  };
  await Promise.all(Array.from({ length: 16 }, sender));
  assert.deepEqual(wrong, []);
}
