import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fakeClock, fakeProgram } from "../../support/fake-programs";
import { runScript } from "../../support/host-script";

const config = '{"tokens":[]}';
const digest = createHash("sha256").update(config).digest("hex");

describe("the script that makes replicas reload", () => {
  let directory: string;
  const at = (name: string) => join(directory, name);
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "reload-"));
    writeFileSync(at("config.json"), config);
    fakeClock(directory);
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  /** @param wget what `wget` does; `$url` is the address that is asked */
  function reload(wget: string) {
    fakeProgram(directory, "wget", `for url in "$@"; do :; done; echo "$url" >> ${at("asked")}; ${wget}`);
    const ran = runScript("reload.sh", [], {
      directory,
      environment: {
        AUDIT_RENDERED_FILE: at("config.json"),
        AUDIT_MARKER_FILE: at("green"),
        AUDIT_BLUE_REPLICAS: "blue-1=http://b1/reload",
        AUDIT_GREEN_REPLICAS: "green-1=http://g1/reload green-2=http://g2/reload",
        AUDIT_RELOAD_SECONDS: "5",
      },
    });
    const asked = readFileSync(at("asked"), "utf8").trim().split("\n");
    return { ...ran, asked, result: readFileSync(at("last-reload"), "utf8") };
  }

  it("asks those of the active slot", () => {
    const ok = `echo '{"digest":"${digest}"}'`;
    const blue = reload(ok);
    assert.deepEqual([blue.status, blue.stderr, blue.result], [0, "", `confirmed ${digest}\n`]);
    assert.deepEqual(blue.asked, ["http://b1/reload"]);
    writeFileSync(at("green"), "");
    rmSync(at("asked"));
    assert.deepEqual(reload(ok).asked, ["http://g1/reload", "http://g2/reload"]);
  });

  it("accepts an answer without a digest", () => {
    assert.equal(reload("echo ok").status, 0);
  });

  it("asks again until the answer has the right digest", () => {
    const wget = `if [ "$(wc -l < ${at("asked")})" -lt 3 ]; then echo '{"digest":"00"}'; else echo '{"digest":"${digest}"}'; fi`;
    const { status, asked } = reload(wget);
    assert.deepEqual([status, asked.length], [0, 3]);
  });

  it("names those that have not confirmed in time, and still asks the others", () => {
    writeFileSync(at("green"), "");
    const { status, stderr, result } = reload(`case "$url" in *g1*) exit 1 ;; *) echo ok ;; esac`);
    assert.equal(status, 1);
    assert.equal(stderr, `reload: not confirmed by: green-1 (wanted configuration digest ${digest})\n`);
    assert.equal(result, `failed ${digest} green-1\n`);
  });

  it("asks for a second alone once the time is over, so that it ends before it is cut off", () => {
    writeFileSync(at("green"), "");
    const { result } = reload(`echo "$*" >> ${at("words")}; exit 1`);
    assert.equal(result, `failed ${digest} green-1 green-2\n`);
    const words = readFileSync(at("words"), "utf8").trim().split("\n");
    for (const line of words) assert.match(line, line.endsWith("g1/reload") ? / -T 3 / : / -T 1 /);
    assert.equal(words.filter((line) => line.endsWith("g2/reload")).length, 1);
  });
});
