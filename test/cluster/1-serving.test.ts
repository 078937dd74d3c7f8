import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { attached } from "./support/cluster";

describe("scenario: the service on a cluster", () => {
  const cluster = attached();

  it("stores an event and gives it back", async () => {
    const id = randomUUID();
    const event = {
      ...{ id, application: "demo", actor: `cluster-${id}`, action: "login", resource: "console" },
      ...{ outcome: "success", occurredAt: new Date().toISOString() },
    };
    const sent = await cluster().edge("/v1/events", {
      method: "POST",
      token: cluster().get("AUDIT_TOKEN"),
      body: JSON.stringify(event),
    });
    assert.equal(sent.status, 201, sent.body);
    const read = await cluster().edge(`/v1/events?actor=cluster-${id}`, { token: cluster().get("AUDIT_READ_TOKEN") });
    const { events } = JSON.parse(read.body) as { events: { id: string }[] };
    assert.deepEqual(
      events.map((found) => found.id),
      [id],
    );
  });

  it("runs on more than one node", async () => {
    for (const name of ["audit-svc", "audit-edge"]) {
      const nodes = new Set((await cluster().pods(name)).map(({ spec }) => spec.nodeName));
      assert.ok(nodes.size > 1, `${name} runs on ${[...nodes].join(", ")} alone`);
    }
  });

  it("has nothing to change at a second `up`", async () => {
    const output = await cluster().mustPulumi("up", "--yes", "--skip-preview");
    assert.match(output, /\d+ unchanged/);
    assert.doesNotMatch(output, /\d+ (created|updated|replaced|deleted)/);
  });
});
