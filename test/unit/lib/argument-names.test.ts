import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import * as postgresql from "@pulumi/postgresql";
import { Database } from "../../../components";
import { argumentName, nameArguments, namesForSteps } from "../../../lib/argument-names";
import { run } from "../support/program";

const root = resolve(__dirname, "../../..");

describe("an argument's name in messages", () => {
  beforeEach(() => nameArguments({}));
  after(() => nameArguments({}));

  it("is its own name by default", async () => {
    const database = () =>
      new Database("events", {
        server: { host: "db.example.test", port: 5432, sslMode: "disable" },
        database: "events",
        provider: new postgresql.Provider("server", {}),
        ...{ passwordVersion: 4, previousVersion: 2 },
      });
    await assert.rejects(
      run(database),
      /^Error: Database: passwordVersion is 4, and the last deploy had 2: set it to 3/,
    );
  });

  it("is the name that the program sets, even in a step, which is another process", () => {
    nameArguments({ "Observability: prometheus.url": "mine:prometheus", "Database: passwordVersion": "mine:version" });
    assert.equal(argumentName("Database: passwordVersion"), "mine:version");
    const script = 'console.log(require("./lib/argument-names").argumentName("Observability: prometheus.url"))';
    const inStep = (env: Record<string, string>) =>
      execFileSync(process.execPath, ["--require", "tsx/cjs", "-e", script], {
        cwd: root,
        env: { PATH: process.env.PATH, ...env },
        encoding: "utf8",
      }).trim();
    assert.equal(inStep(namesForSteps()), "mine:prometheus");
    assert.equal(inStep({}), "Observability: prometheus.url");
  });

  it("is never a configuration key of this program within the library", () => {
    const rooms = ["components", "nginx", "vault-agent", "dashboards", "steps", "lib"];
    const files = execFileSync("git", ["ls-files", ...rooms], { cwd: root, encoding: "utf8" })
      .trim()
      .split("\n");
    assert.ok(files.length > 100);
    const naming = files.filter((file) => /\baudit:(?!index:)[a-z]/.test(readFileSync(join(root, file), "utf8")));
    // The pipeline's settings for deploying a former release again.
    assert.deepEqual(naming, ["lib/release-state.ts"]);
  });
});
