import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  debianMirrors,
  debianSources,
  isDefaultHost,
  keyOfHost,
  npmRegistryIn,
  writeHostFiles,
  type HostConfig,
} from "../../builders/host-config.js";
import { baseRecipe } from "../../builders/base-image.js";

/** A machine on which nothing is set. */
const plain: HostConfig = { authorities: {} };
const mirrored: HostConfig = {
  ...plain,
  debianMirror: "http://m.example/debian",
  debianSecurityMirror: "http://s.example/debian-security",
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

  it("takes no other vendor's packages for Debian's, whose address ends alike", () => {
    const docker = "https://download.docker.com/linux/debian";
    const ours = "deb http://m.example/debian trixie main contrib\n";
    const deb822 = `Types: deb\nURIs: ${docker}\nSuites: trixie\nComponents: stable\n`;
    for (const theirs of [`deb [signed-by=/k] ${docker} trixie stable\n`, deb822]) {
      assert.deepEqual(debianMirrors([theirs, ours]), { main: "http://m.example/debian" });
      assert.deepEqual(debianMirrors([theirs]), {});
    }
    const main = "Types: deb\nURIs: http://m.example/debian\nSuites: trixie\nComponents: main contrib\n";
    assert.deepEqual(debianMirrors([`${deb822}\n${main}`]), { main: "http://m.example/debian" });
  });

  it("has nothing to add on a machine with the defaults", () => {
    assert.equal(isDefaultHost(plain), true);
    assert.equal(isDefaultHost({ ...plain, authorities: { "x.crt": "x" } }), false);
    assert.equal(isDefaultHost({ ...plain, npmRegistry: "https://npm.example/" }), false);
    assert.equal(isDefaultHost({ ...plain, debianMirror: "http://m.example/debian" }), false);
  });

  it("knows npm's registry only where one was set, and without the login in it", () => {
    const set = (registry: string) =>
      `; "user" config from /home/me/.npmrc\n\naudit = false\n${registry}\n\n; node version = v24\n`;
    assert.equal(npmRegistryIn(set('registry = "https://npm.example/"')), "https://npm.example/");
    assert.equal(npmRegistryIn(set('registry = "https://me:secret@npm.example/x/"')), "https://npm.example/x/");
    assert.equal(npmRegistryIn(set('; registry = "https://old.example/" ; overridden by env')), undefined);
    assert.equal(npmRegistryIn(set("fund = false")), undefined);
  });

  it("has apt's sources of this machine, with security updates from where it has them, or the client's own default", () => {
    assert.deepEqual(debianSources(mirrored), [
      "deb http://m.example/debian trixie main",
      "deb http://m.example/debian trixie-updates main",
      "deb http://s.example/debian-security trixie-security main",
    ]);
    assert.equal(debianSources({ ...plain, debianMirror: "http://m.example/debian" }).length, 2);
    assert.deepEqual(debianSources(plain), []);
    assert.notEqual(baseRecipe(plain), baseRecipe(mirrored), "one has the default sources in it, the other none");
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
      writeHostFiles({ ...mirrored, authorities: { "x.crt": "PEM" }, npmRegistry: "https://npm.example/" }, dir);
      const read = (path: string): string => readFileSync(join(dir, path), "utf8");
      assert.equal(read("usr/local/share/ca-certificates/x.crt"), "PEM");
      assert.equal(read("usr/local/share/host-authorities.pem"), "PEM");
      assert.equal(read("usr/local/etc/npmrc"), "registry=https://npm.example/\n");
      assert.match(read("etc/apt/sources.list"), /^deb http\S+ trixie main$/m);
      assert.match(read("etc/apt/sources.list"), /^deb http\S+ trixie-security main$/m);
      writeHostFiles(plain, join(dir, "plain"));
      for (const path of ["usr/local/etc/npmrc", "etc/apt/sources.list", "etc/apt/sources.list.d/debian.sources"])
        assert.equal(existsSync(join(dir, "plain", path)), false, path);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});
