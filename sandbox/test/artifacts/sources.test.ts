import assert from "node:assert/strict";
import { UserError } from "../../../offline/lib/user-error.js";
import { choose } from "../../src/artifacts/sources.js";

const serves = { status: 401, reason: "answered 401" };
const gone = { reason: "Could not resolve host" };

describe("the choice of sources", () => {
  it("takes everything from its vendor where that answers", () => {
    const sources = choose({}, { hub: serves, pulumi: { status: 200, reason: "answered 200" } });
    assert.deepEqual([sources.images, sources.pulumi, sources.forced], ["official", "official", false]);
    assert.deepEqual(sources.reasons, ["images from Docker Hub", "Pulumi and its plugins from get.pulumi.com"]);
  });

  it("falls back to package registries where nothing answers, and says why", () => {
    const sources = choose({}, { hub: gone, pulumi: gone });
    assert.deepEqual([sources.images, sources.pulumi], ["offline", "offline"]);
    assert.match(sources.reasons.join("\n"), /Docker Hub does not serve \(Could not resolve host\)/);
    assert.match(sources.reasons.join("\n"), /get\.pulumi\.com does not serve \(Could not resolve host\)/);
  });

  it("decides for images and for Pulumi apart", () => {
    assert.equal(choose({}, { hub: gone, pulumi: { status: 200, reason: "" } }).pulumi, "official");
    assert.equal(choose({}, { hub: serves, pulumi: gone }).images, "official");
  });

  // Behind a proxy that refuses, every host "answers".
  for (const status of [403, 407, 502, 503, 404]) {
    it(`treats an answer of ${status} as a refusal`, () => {
      const answer = { status, reason: `answered ${status}` };
      const sources = choose({}, { hub: answer, pulumi: answer });
      assert.deepEqual([sources.images, sources.pulumi], ["offline", "offline"]);
    });
  }

  it("prefers the user's mirror, and does not fall back to Docker Hub when that does not answer", () => {
    const env = { REGISTRY_MIRROR: "h.example.org/hub" };
    assert.equal(choose(env, { mirror: serves, hub: serves, pulumi: gone }).images, "mirror");
    const sources = choose(env, { mirror: gone, hub: serves, pulumi: gone });
    assert.equal(sources.images, "offline");
    assert.equal(sources.mirror, "h.example.org/hub");
  });

  it("does as SANDBOX_WAY says, whatever answers", () => {
    const offline = choose({ SANDBOX_WAY: "offline" }, { hub: serves, pulumi: { status: 200, reason: "" } });
    assert.deepEqual([offline.images, offline.pulumi, offline.forced], ["offline", "offline", true]);
    const official = choose({ SANDBOX_WAY: "official" }, {});
    assert.deepEqual([official.images, official.pulumi, official.forced], ["official", "official", true]);
    const mirror = choose({ SANDBOX_WAY: "official", REGISTRY_MIRROR: "h.example.org" }, {});
    assert.equal(mirror.images, "mirror");
  });

  it("refuses another SANDBOX_WAY", () => {
    assert.throws(
      () => choose({ SANDBOX_WAY: "Offline" }, {}),
      new UserError(
        "SANDBOX_WAY=Offline is not known. Give offline (package registries alone), official (vendors alone), or leave it out.",
      ),
    );
  });

  it("shows the images that are set one by one", () => {
    const sources = choose({ IMAGE_VAULT: "r.example.org/vault:2" }, { hub: gone, pulumi: gone });
    assert.deepEqual(sources.overrides, { vault: "r.example.org/vault:2" });
    assert.ok(sources.reasons.includes("image vault as set: r.example.org/vault:2"));
  });
});
