import assert from "node:assert/strict";
import { resolve } from "node:path";
import { stateLocks } from "../../../../cli/doctor/state-locks";

/** test/e2e/84-doctor-more.test.ts reads a lock that there is. */
describe("audit doctor: the state's locks", () => {
  const directory = resolve(__dirname, "../../../..");
  const locks = (url?: string) =>
    stateLocks({ directory, stack: "vm2", file: "Pulumi.vm2.yaml" }, { PULUMI_BACKEND_URL: url });

  it("does not know those of a state that is not in PostgreSQL, or in a table that it would have to quote", async () => {
    for (const url of [undefined, "", "s3://bucket", "postgres://[", "postgres://a@127.0.0.1:1/x?table=a%3Bb"])
      assert.equal(await locks(url), undefined, url);
  });

  it("says so when the server does not answer", async () => {
    await assert.rejects(locks("postgres://a:b@127.0.0.1:1/x?sslmode=require"), /ECONNREFUSED/);
  });
});
