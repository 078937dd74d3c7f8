import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type TestDatabase, createDatabase } from "../support/database.js";
import { event, post } from "../support/events.js";
import { LoggingService, fileWith } from "../support/log.js";
import { tokens } from "../support/service.js";

const program = fileURLToPath(new URL("independent", import.meta.url));

describe("an independent implementation: Go's sumdb/note and sumdb/tlog", function () {
  this.timeout(180_000);
  let database: TestDatabase;
  let service: LoggingService;
  before(async function () {
    if (spawnSync("go", ["version"]).status !== 0) {
      process.stderr.write("skipped: Go is missing, so no independent implementation has checked the log (install Go)\n");
      this.skip();
    }
    database = await createDatabase();
    service = await LoggingService.start(database.runtime);
  }); // prettier-ignore
  after(async () => {
    await service?.stop();
    await database?.drop();
  });

  it("agrees with signature, tiles, entries, inclusion and consistency", async () => {
    // More than 256 tiles of level 0 would take long; a tile of level 1 is there in any case.
    const sizes = [1, 700, 1300];
    let old = "";
    for (const [i, size] of sizes.entries()) {
      for (let sent = i === 0 ? 0 : (sizes[i - 1] ?? 0); sent < size; sent += 100) {
        const events = Array.from({ length: Math.min(100, size - sent) }, () => event());
        assert.equal((await post(service.app.main, events)).statusCode, 201);
      }
      const checkpoint = await service.covers(size);
      if (i === 1) old = checkpoint;
    }
    const [{ id } = { id: "" }] = await database.query<{ id: string }>("SELECT id FROM audit.events ORDER BY seq OFFSET 777 LIMIT 1"); // prettier-ignore
    const proof = await (await service.get(`/v1/events/${id}/proof`)).text();
    assert.match(proof, /\nindex 777\n/);
    const args = [service.url, tokens.reader, service.key.vkey, fileWith(old), fileWith(proof)];
    const go = (...changed: string[]): Promise<{ stdout: string }> =>
      promisify(execFile)("go", ["run", ".", ...args.slice(0, args.length - changed.length), ...changed], { cwd: program }); // prettier-ignore
    assert.equal((await go()).stdout, "1300\n");
    // It can fail: a checkpoint of another log, and a proof of another event.
    await assert.rejects(go(fileWith(proof.replace("index 777", "index 778"))), { code: 1 });
    await assert.rejects(go(fileWith(old.replace("\n700\n", "\n701\n")), args[4] ?? ""), { code: 1 });
  });
});
