import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { request, type IncomingMessage } from "node:http";
import { createInterface } from "node:readline";
import { Transform } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { times } from "../support/depth";
import { attached } from "./support/sandbox";

/**
 * More than fits into nginx's /tmp and all buffers on the way; with THOROUGH=1 the number that a user reported, which
 * takes two minutes.
 */
const EVENTS = times(6_000, 10_000);
const BYTES_A_SECOND = times(8_000_000, 2_000_000);
/** Events per request of less than a mebibyte. */
const BATCH = 60;
const PAUSE_MS = 15_000;

describe("scenario: an export that exceeds nginx's buffers, to a slow reader", function () {
  this.timeout(600_000);
  const sandbox = attached();

  it("arrives complete, even when the reader pauses", async () => {
    const actor = `export-${randomUUID()}`;
    const ids = Array.from({ length: EVENTS }, () => randomUUID());
    const event = (id: string) => ({
      ...{ id, application: "demo", actor, action: "export", resource: "edge", outcome: "success" },
      ...{ occurredAt: new Date().toISOString(), data: { text: "x".repeat(14_800) } },
    });
    const left = Array.from({ length: EVENTS / BATCH }, (_, i) => ids.slice(i * BATCH, (i + 1) * BATCH));
    const send = async (): Promise<void> => {
      for (let batch = left.pop(); batch !== undefined; batch = left.pop()) {
        const body = JSON.stringify(batch.map(event));
        const answer = await sandbox().edge("/v1/events", {
          method: "POST",
          token: sandbox().get("AUDIT_TOKEN"),
          body,
        });
        assert.equal(answer.status, 201, answer.body);
      }
    };
    await Promise.all([send(), send()]);

    const answer = await new Promise<IncomingMessage>((done, fail) => {
      const headers = { authorization: `Bearer ${sandbox().get("AUDIT_READ_TOKEN")}` };
      request(`${sandbox().get("AUDIT_URL")}/v1/events/export?actor=${actor}`, { headers }, done)
        .on("error", fail)
        .end();
    });
    assert.equal(answer.statusCode, 200);
    let bytes = 0;
    let started = performance.now();
    let paused = false;
    const slowly = new Transform({
      transform(data: Buffer, _encoding, done) {
        bytes += data.length;
        const pause = !paused && bytes > 20_000_000 ? PAUSE_MS : 0;
        paused ||= pause > 0;
        const due = started + (bytes / BYTES_A_SECOND) * 1000;
        started += pause;
        void sleep(pause + Math.max(0, due - performance.now())).then(() => done(null, data));
      },
    });
    answer.on("error", (error) => slowly.destroy(error));
    const seen = new Set<string>();
    for await (const line of createInterface({ input: answer.pipe(slowly) }))
      seen.add((JSON.parse(line) as { id: string }).id);
    assert.ok(answer.complete, `it was cut off after ${bytes} bytes`);
    assert.equal(seen.size, EVENTS);
    assert.ok(paused);
  });
});
