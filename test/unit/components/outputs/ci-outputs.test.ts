import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import { handToCi, renderDotenv } from "../../../../components/outputs/ci-outputs";
import { run, type Called } from "../../support/program";

describe("outputs for CI", () => {
  const values = { SERVICE_URL: "https://audit.example.test", RELEASE: pulumi.output("aaaaaaaaaaaa") };

  async function calls(env: NodeJS.ProcessEnv): Promise<Called[]> {
    const made: Called[] = [];
    const { resources } = await run(() => handToCi(values, env), undefined, made);
    assert.deepEqual(resources, []);
    return made;
  }

  it("are written at the end of an up, to the file that the job names", async () => {
    assert.deepEqual(await calls({ AUDIT_OUTPUTS_FILE: "/builds/deploy.env" }), [
      {
        token: "command:local:run",
        inputs: {
          command: 'cat > "$FILE.part" && mv "$FILE.part" "$FILE"',
          environment: { FILE: "/builds/deploy.env" },
          stdin: "SERVICE_URL=https://audit.example.test\nRELEASE=aaaaaaaaaaaa\n",
          logging: "none",
        },
      },
    ]);
  });

  it("are not written if no job wants them", async () => {
    assert.deepEqual(await calls({}), []);
    assert.deepEqual(await calls({ AUDIT_OUTPUTS_FILE: "" }), []);
  });

  it("are one line each, and never empty", () => {
    for (const value of ["", "http://x\nIMAGE=evil", "a\rb"]) {
      assert.throws(() => renderDotenv({ SERVICE_URL: value }), {
        message: "SERVICE_URL cannot be handed to CI: its value must be one line, and not empty",
      });
    }
  });
});
