import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fakeProgram } from "../../support/fake-programs";
import { runScript } from "../../support/host-script";

describe("the script that tests a configuration with nginx", () => {
  let directory: string;
  beforeEach(() => (directory = mkdtempSync(join(tmpdir(), "check-"))));
  afterEach(() => rmSync(directory, { recursive: true }));

  const judge = (status: number) => {
    fakeProgram(
      directory,
      "nginx",
      `while [ "$1" != -c ]; do shift; done; cp "$2" ${directory}/judged; exit ${status}`,
    );
    writeFileSync(join(directory, "nginx.conf"), "listen 10.0.0.2:80;\nlisten 8080;\n");
    return runScript("check-nginx.sh", ["10.0.0.2"], { directory }).status;
  };

  it("listens only on an existing address, and changes no file's owner", () => {
    assert.equal(judge(0), 0);
    assert.equal(readFileSync(join(directory, "judged"), "utf8"), "user root;\nlisten 127.0.0.1:80;\nlisten 8080;\n");
  });

  it("fails when nginx rejects it", () => {
    assert.equal(judge(1), 1);
  });
});
