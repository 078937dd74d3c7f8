import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  debianMirrors,
  isDefaultHost,
  keyOfHost,
  writeHostFiles,
  type HostConfig,
} from "../../src/parts/host-config.js";
import { versions } from "../../src/parts/versions.js";

const plain: HostConfig = {
  authorities: {},
  debianMirror: versions().debian.mirror,
  debianSecurityMirror: versions().debian.securityMirror,
};

describe("what the machine needs to reach its registries", () => {
  it("reads mirrors from one-line sources, options and comments included", () => {
    const text =
      "# deb http://old.example/debian x main\ndeb [arch=amd64 signed-by=/k] http://m.example/debian/ trixie main\n";
    assert.deepEqual(debianMirrors([text]), { main: "http://m.example/debian" });
  });

  it("reads mirrors from deb822 sources", () => {
    const text = "Types: deb\nURIs: https://a.example/debian https://b.example/debian\nSuites: trixie\n";
    const security = "Types: deb\nURIs: http://s.example/debian-security\nSuites: trixie-security\n";
    assert.deepEqual(debianMirrors([text, security]), {
      main: "https://a.example/debian",
      security: "http://s.example/debian-security",
    });
  });

  it("takes no other distribution's archive for Debian's", () => {
    assert.deepEqual(debianMirrors(["deb http://archive.example/ubuntu noble main\ndeb cdrom:[x]/ trixie main\n"]), {});
  });

  it("has nothing to add on a machine with the defaults", () => {
    assert.equal(isDefaultHost(plain), true);
    assert.equal(isDefaultHost({ ...plain, authorities: { "x.crt": "x" } }), false);
    assert.equal(isDefaultHost({ ...plain, npmRegistry: "https://npm.example/" }), false);
    assert.equal(isDefaultHost({ ...plain, debianMirror: "http://m.example/debian" }), false);
  });

  it("gives images another key when anything differs", () => {
    const keys = [
      plain,
      { ...plain, authorities: { "x.crt": "x" } },
      { ...plain, authorities: { "x.crt": "y" } },
      { ...plain, npmRegistry: "https://npm.example/" },
      { ...plain, debianMirror: "http://m.example/debian" },
    ].map(keyOfHost);
    assert.equal(new Set(keys).size, keys.length);
  });

  it("lays the files out as the image wants them", () => {
    const dir = mkdtempSync(join(tmpdir(), "host-"));
    try {
      writeHostFiles({ ...plain, authorities: { "x.crt": "PEM" }, npmRegistry: "https://npm.example/" }, dir);
      const read = (path: string): string => readFileSync(join(dir, path), "utf8");
      assert.equal(read("usr/local/share/ca-certificates/x.crt"), "PEM");
      assert.equal(read("usr/local/share/host-authorities.pem"), "PEM");
      assert.equal(read("usr/local/etc/npmrc"), "registry=https://npm.example/\n");
      assert.match(read("etc/apt/sources.list"), /^deb http\S+ trixie main$/m);
      assert.match(read("etc/apt/sources.list"), /^deb http\S+ trixie-security main$/m);
      writeHostFiles(plain, join(dir, "plain"));
      assert.equal(existsSync(join(dir, "plain/usr/local/etc/npmrc")), false);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});
