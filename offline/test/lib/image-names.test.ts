import assert from "node:assert/strict";
import { localRef } from "../../lib/image-names.js";

describe("names of images", () => {
  it("makes local names that Docker accepts, and different ones for different keys", () => {
    assert.equal(localRef("nginx", "1.28+deb", "0123456789ab"), "audit-sandbox/nginx:1.28_deb-0123456789ab");
    assert.notEqual(localRef("nginx", "1", "a"), localRef("nginx", "1", "b"));
  });
});
