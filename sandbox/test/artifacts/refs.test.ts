import assert from "node:assert/strict";
import { UserError } from "../../../offline/lib/user-error.js";
import { mirrored, overrideVariable, readMirror, readOverrides, versionOf } from "../../src/artifacts/refs.js";

describe("image references", () => {
  it("puts Docker Hub's own images under library/ on a mirror", () => {
    assert.equal(
      mirrored("postgres:17.6-trixie", "h.example.org/hub"),
      "h.example.org/hub/library/postgres:17.6-trixie",
    );
  });

  it("keeps the owner of every other image on a mirror", () => {
    assert.equal(mirrored("hashicorp/vault:1.21.4", "127.0.0.1:5000"), "127.0.0.1:5000/hashicorp/vault:1.21.4");
  });

  it("takes the version from the tag or the digest, not from a port", () => {
    assert.equal(versionOf("h.example.org:5000/x/nginx:1.28.2"), "1.28.2");
    assert.equal(versionOf("h.example.org:5000/x/nginx"), "latest");
    assert.equal(versionOf(`nginx:1.28@sha256:${"ab".repeat(32)}`), "abababababab");
  });

  for (const value of [
    "harbor.example.org",
    "harbor.example.org/hub",
    "127.0.0.1:18050",
    "localhost/a/b",
    "h:5000/x/",
  ]) {
    it(`accepts the mirror ${value}`, () => {
      assert.equal(readMirror({ REGISTRY_MIRROR: value }), value.replace(/\/$/, ""));
    });
  }

  for (const value of ["https://harbor.example.org", "harbor", "harbor.example.org/UPPER", "user@host.example.org"]) {
    it(`refuses the mirror ${value}`, () => {
      assert.throws(
        () => readMirror({ REGISTRY_MIRROR: value }),
        new UserError(
          `REGISTRY_MIRROR=${value} is not host[:port][/project]. Give it without https://, for example REGISTRY_MIRROR=harbor.example.org/dockerhub.`,
        ),
      );
    });
  }

  it("has no mirror where none is set", () => {
    assert.equal(readMirror({}), undefined);
    assert.equal(readMirror({ REGISTRY_MIRROR: "" }), undefined);
  });

  it("reads one override per image; BASE and NODE name the images that the others are made from", () => {
    const overrides = readOverrides({
      IMAGE_NGINX_EXPORTER: "r.example.org/exporter:1",
      IMAGE_BASE: "debian:13-slim",
      IMAGE_NODE: "",
      IMAGE_OTHER: "not ours",
    });
    assert.deepEqual(overrides, { "nginx-exporter": "r.example.org/exporter:1", "base-plain": "debian:13-slim" });
    assert.equal(overrideVariable("nginx-exporter"), "IMAGE_NGINX_EXPORTER");
  });

  it("refuses an override that is no reference", () => {
    assert.throws(
      () => readOverrides({ IMAGE_POSTGRES: "https://x/postgres" }),
      new UserError(
        "IMAGE_POSTGRES=https://x/postgres is not an image reference. Give for example IMAGE_POSTGRES=registry.example.org/project/image:tag.",
      ),
    );
    assert.throws(() => readOverrides({ IMAGE_POSTGRES: "--privileged" }), UserError);
  });
});
