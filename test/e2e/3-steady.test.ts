import assert from "node:assert/strict";
import { attached, until } from "./support/sandbox";

describe("journey: nothing to do, and drift by hand", () => {
  const sandbox = attached();

  it("changes nothing in a second `pulumi up`", async () => {
    const { code, output } = await sandbox().pulumi(["up", "--yes", "--skip-preview", "--expect-no-changes"]);
    assert.equal(code, 0, output);
  });

  it("sees nothing to change in `pulumi preview --refresh`", async () => {
    const { code, output } = await sandbox().pulumi(["preview", "--refresh", "--expect-no-changes"]);
    assert.equal(code, 0, output);
  });

  it("sees a container that was removed by hand, and puts it back", async () => {
    await sandbox().docker("rm", "--force", "audit-edge-exporter");
    const preview = await sandbox().pulumi(["preview", "--refresh", "--expect-no-changes"]);
    assert.notEqual(preview.code, 0, `the missing container was not seen:\n${preview.output}`);
    assert.match(preview.output, /docker:index:Container\s+audit-edge-exporter/);

    await sandbox().mustPulumi("up", "--refresh", "--yes", "--skip-preview");
    await until("the exporter runs again", 30, async () =>
      (await sandbox().docker("ps", "--filter", "name=audit-edge-exporter", "--format", "{{.Status}}")).startsWith("Up")
        ? true
        : undefined,
    );
    const { code, output } = await sandbox().pulumi(["preview", "--refresh", "--expect-no-changes"]);
    assert.equal(code, 0, output);
  });

  it("sees a policy that was widened by hand in Vault, and narrows it again", async () => {
    const address = "sys/policies/acl/audit-svc";
    await sandbox().vault("PUT", address, { policy: `path "secret/*" { capabilities = ["read", "list"] }` });
    const preview = await sandbox().pulumi(["preview", "--refresh", "--expect-no-changes"]);
    assert.notEqual(preview.code, 0, `the widened policy was not seen:\n${preview.output}`);
    await sandbox().mustPulumi("up", "--refresh", "--yes", "--skip-preview");
    const found = await sandbox().vault<{ data: { policy: string } }>("GET", address);
    assert.doesNotMatch(found?.data.policy ?? "", /secret\/\*/);
  });
});
