import assert from "node:assert/strict";
import { mustBootstrap, rootToken } from "./support/bootstrap";
import { attached, run, until } from "./support/sandbox";

describe("scenario: nothing to do, and drift by hand", () => {
  const sandbox = attached();

  it("changes nothing in a second `pulumi up`", async () => {
    const { code, output } = await sandbox().pulumi(["up", "--yes", "--skip-preview", "--expect-no-changes"]);
    assert.equal(code, 0, output);
  });

  it("changes nothing in a second `make up`, even in a shell with the output of `make env`", async () => {
    const { code, output } = await run(["sh", "-c", 'eval "$(make -s env)" && exec make -s up']);
    assert.equal(code, 0, output);
    assert.match(output, /pulumi up: cached .*nothing to change/);
  });

  it("warns about a CREATEROLE that covers other programs' roles, if PostgreSQL is older than 16", async () => {
    const { stdout: version } = await run(["psql", "-XAtc", "SHOW server_version_num"], sandbox().env);
    const { output } = await sandbox().pulumi(["up", "--yes"]);
    const warnings = output.match(/in which CREATEROLE covers every role that is not a superuser: /g) ?? [];
    assert.equal(warnings.length > 0, Number(version) < 160_000, output);
  });

  it("sees nothing to change in `pulumi preview --refresh`", async () => {
    const { code, output } = await sandbox().pulumi(["preview", "--refresh", "--expect-no-changes"]);
    assert.equal(code, 0, output);
  });

  it("sees a container that was removed by hand, and recreates it", async () => {
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

  it("sees a policy that was widened by hand in Vault, deploys nothing, and works once bootstrap has narrowed it", async () => {
    const address = "sys/policies/acl/audit-svc";
    const wide = { policy: `path "secret/*" { capabilities = ["read", "list"] }` };
    await sandbox().vault("PUT", address, wide, rootToken());
    try {
      const refused = /Vault does not have the policies and roles that this stack's agents need[^]*policy audit-svc/;
      for (const args of [
        ["preview", "--refresh", "--expect-no-changes"],
        ["up", "--yes", "--skip-preview"],
      ]) {
        const { code, output } = await sandbox().pulumi(args);
        assert.notEqual(code, 0, `the widened policy was not seen by ${args[0] ?? ""}:\n${output}`);
        assert.match(output, refused);
      }
    } finally {
      assert.match(await mustBootstrap(sandbox()), /policy audit-svc: written/);
    }
    const { code, output } = await sandbox().pulumi(["preview", "--refresh", "--expect-no-changes"]);
    assert.equal(code, 0, output);
  });
});
