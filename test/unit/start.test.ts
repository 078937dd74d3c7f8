import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { build } from "esbuild";
import { RunError } from "@pulumi/pulumi";
import { UserError } from "../../lib/user-error";

const root = resolve(__dirname, "../..");

describe("programs that are not the Pulumi program", () => {
  for (const room of ["bootstrap", "ci", "cli", "steps"])
    it(`start without Pulumi's SDK, which takes longer to load than most of them run: ${room}/`, async () => {
      const files = readdirSync(join(root, room), { encoding: "utf8", recursive: true });
      const { metafile } = await build({
        ...{ absWorkingDir: join(root, room), entryPoints: files.filter((file) => file.endsWith(".ts")) },
        outdir: "build",
        ...{ bundle: true, platform: "node", packages: "external", metafile: true, write: false, logLevel: "silent" },
      });
      const loads = Object.entries(metafile.inputs).flatMap(([file, { imports }]) =>
        imports.filter(({ path }) => path.startsWith("@pulumi/")).map(({ path }) => `${file} loads ${path}`),
      );
      assert.ok(Object.keys(metafile.inputs).some((file) => file.startsWith("../lib/")));
      assert.deepEqual(loads, []);
    });

  it("show a mistake of their user as Pulumi shows its own RunError: without a trace", () => {
    const error = new UserError("audit:replicas must be a number");
    assert.ok(RunError.isInstance(error));
    assert.equal(error.stack, "audit:replicas must be a number");
  });
});
