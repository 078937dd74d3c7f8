import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { defaultLimits } from "../src/config.js";
import { Metrics } from "../src/metrics.js";

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), "utf8");
const contract = read("../CONTRACT.md");
const sources = readdirSync(new URL("../src/", import.meta.url), { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts"))
  .map((file) => read(`../src/${file}`));

/** The rows of the table under a heading or a header cell, each as its cells without the backticks. */
function table(first: string): string[][] {
  const lines = contract.split("\n");
  const start = lines.findIndex((line) => line.startsWith("|") && line.split("|")[1]?.trim() === first);
  assert.ok(start >= 0, `CONTRACT.md has a table whose first column is "${first}"`);
  const rows = lines.slice(start + 2);
  return rows
    .slice(0, rows.findIndex((line) => !line.startsWith("|")))
    .map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim().replaceAll("`", ""))); // prettier-ignore
}

// Other images are built by this document, so each list in it is compared with the program's.
describe("CONTRACT.md", () => {
  it("names exactly the environment variables that are read", () => {
    const used = new Set(sources.flatMap((source) => source.match(/\bAUDIT_[A-Z_]+\b/g) ?? []));
    assert.deepEqual(table("variable").map(([name]) => name).sort(), [...used].sort()); // prettier-ignore
  });

  it("has each limit with its default", () => {
    const documented = table("limit").map(([name, standard]) => [name, Number(standard)]);
    assert.deepEqual(documented.sort(), Object.entries(defaultLimits).sort());
  });

  it("has each error code that is answered, under its status", () => {
    const answered = sources.flatMap((source) => [
      ...[...source.matchAll(/new ApiError\(\s*(\d{3}),\s*"([a-z_]+)"/g)].map(
        ([, status, code]) => `${status} ${code}`,
      ),
      ...[...source.matchAll(/\.unavailable\(\s*"([a-z_]+)"/g)].map(([, code]) => `503 ${code}`),
    ]);
    const documented = table("status").flatMap(([status, codes = ""]) =>
      codes.split(", ").map((code) => `${status} ${code}`),
    );
    // An aborted request gets no answer.
    const seen = new Set(answered.filter((answer) => answer !== "400 aborted"));
    assert.deepEqual(documented.sort(), [...seen].sort());
  });

  it("names each metric of the service's own", async () => {
    const { registry } = new Metrics({ version: "0", release: "0" });
    const names = (await registry.getMetricsAsJSON()).map(({ name }) => name);
    const own = names.filter((name) => /^(audit|http)_/.test(name));
    assert.ok(own.length > 10);
    const text = contract.slice(contract.indexOf("## Metrics"), contract.indexOf("## Commands"));
    const documented = [...text.matchAll(/`((?:audit|http)_[a-z_]+)/g)].map(([, name]) => name);
    assert.deepEqual(documented.sort(), own.sort());
  });
});
