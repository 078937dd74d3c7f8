import assert from "node:assert/strict";
import { nothingReloads } from "./support/nothing-reloads";
import { exchange, statuses } from "./support/raw";
import { attached } from "./support/sandbox";

describe("scenario: /reload does not exist for outsiders, however it is spelt", function () {
  const sandbox = attached();

  it("answers each of hundreds of raw requests with 404 or 400, and no replica reloads", async () => {
    await nothingReloads(sandbox());
  });

  it("returns nginx's own errors in the service's format", async () => {
    const url = sandbox().get("AUDIT_URL");
    const cases: [string, number, string][] = [
      ["GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404, "not_found"],
      ["DELETE /v1/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 405, "method_not_allowed"],
      ["GET /% HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad_request"],
      [`GET /${"a".repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 414, "uri_too_long"],
      ["POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n", 413, "too_large"],
    ];
    for (const [bytes, status, error] of cases) {
      const answer = await exchange(url, Buffer.from(bytes));
      const [head = "", body = ""] = answer.split("\r\n\r\n");
      assert.deepEqual(statuses(answer), [status], bytes.slice(0, 40));
      const { requestId, ...problem } = JSON.parse(body) as { error: string; message: string; requestId: string };
      assert.equal(problem.error, error);
      assert.match(requestId, /^[0-9a-f]{32}$/);
      assert.match(head, /\r\nServer: nginx(\r\n|$)/, "the version is hidden");
      assert.match(head, /content-type: application\/json/i);
    }
  });
});
