import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { inspect } from "node:util";
import { describe, it } from "mocha";
import { stringify } from "yaml";
import { ROOT } from "../../../ci/lib/exec";
import { conceal, mask, passwordOf, secretPart } from "../../../ci/lib/secrets";
import { quote } from "../../../lib/shell";
import { fakeProgram } from "../support/fake-programs";
import { jobDirectory, login, OUTPUTS } from "./support/stack";

/** A difficult password: it has every character that some escaping treats specially. */
const HARD = `q"W\\e'r ö7$t%+u/i=:@<o>&p\t\`!~*()#?é😀z`;

const base64 = (text: string): string => Buffer.from(text).toString("base64");
const inUrl = (password: string): string => {
  const url = new URL("postgres://state@db.example.com/state");
  url.password = password;
  return url.href;
};
const sh = (script: string, argument: string): string =>
  // In the locale C it writes bytes in octal.
  execFileSync("bash", ["-c", script, "bash", argument], {
    encoding: "utf8",
    env: { ...process.env, LC_ALL: "C.UTF-8" },
  });

/** The ways in which a job's programs may print a value, each with a real encoder. */
const SPELLINGS: Record<string, (secret: string) => string> = {
  plain: (secret) => `password ${secret} refused`,
  JSON: (secret) => JSON.stringify({ password: secret }),
  "JSON within JSON": (secret) => JSON.stringify({ dataJson: JSON.stringify({ password: secret }) }),
  "JSON three times": (secret) => JSON.stringify(JSON.stringify(JSON.stringify(secret))),
  "JSON as Go writes it": (secret) =>
    JSON.stringify(secret).replaceAll("&", "\\u0026").replaceAll("<", "\\u003c").replaceAll(">", "\\u003e"),
  "JSON in ASCII": (secret) =>
    JSON.stringify(secret).replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`),
  inspect: (secret) => inspect({ password: secret }),
  YAML: (secret) => stringify({ password: secret }, { lineWidth: 0 }),
  "YAML in quotes": (secret) =>
    stringify(secret, { lineWidth: 0, singleQuote: true, defaultStringType: "QUOTE_SINGLE" }),
  "URL component": (secret) => `https://example.com/?password=${encodeURIComponent(secret)}`,
  "URL component, small letters": (secret) => encodeURIComponent(secret).replace(/%../g, (code) => code.toLowerCase()),
  "URL component twice": (secret) => encodeURIComponent(encodeURIComponent(secret)),
  form: (secret) => new URLSearchParams({ password: secret }).toString(),
  "password within a URL": inUrl,
  "shell word": (secret) => `+ login ${quote(secret)}`,
  "shell's trace": (secret) =>
    execFileSync("bash", ["-c", 'exec 2>&1; set -x; : "$1"', "bash", secret], { encoding: "utf8" }),
  "shell's %q": (secret) => sh('printf %q "$1"', secret),
  SQL: (secret) => `ALTER ROLE x PASSWORD '${secret.replaceAll("'", "''")}'`,
  "libpq's words": (secret) => `password='${secret.replace(/['\\]/g, "\\$&")}'`,
  XML: (secret) =>
    secret.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;").replaceAll("'", "&#39;"),
  base64: (secret) => base64(secret),
  "Basic of ci": (secret) => `Authorization: Basic ${base64(`ci:${secret}`)}`,
  "Basic of bot": (secret) => `Authorization: Basic ${base64(`bot:${secret}`)}`,
  "Basic of robot$ci": (secret) => JSON.stringify({ auth: base64(`robot$ci:${secret}`) }),
  "base64 for URLs": (secret) => Buffer.from(`a:${secret}`).toString("base64url"),
  "base64 within a URL": (secret) => encodeURIComponent(base64(`a:${secret}`)),
};

describe("ci: secrets are masked in every spelling that is printed", () => {
  conceal(HARD);
  for (const [what, spell] of Object.entries(SPELLINGS)) {
    it(what, () => {
      const masked = mask(spell(HARD));
      assert.ok(masked.includes("[MASKED]"), masked);
      // There may be quotes around it and, with base64, characters that also depend on neighbouring bytes.
      const rest = masked.replace("[MASKED]", "");
      assert.ok(rest.length <= spell("").length + 6, masked);
    });
  }

  it("a text that only resembles it is left alone", () => {
    conceal("a-secret.word");
    for (const text of ["a-secret-word", "a_secret.word", "b-secret.words", "A-SECRET.WORD"])
      assert.equal(mask(text), text);
  });

  it("line by line, where it has several lines", () => {
    conceal("-----BEGIN KEY-----\nfirst/line+of=\nsecond/line\n-----END KEY-----\n");
    const printed = JSON.stringify({ key: "first/line+of=\nsecond/line" });
    assert.equal(mask(printed), '{"key":"[MASKED]\\n[MASKED]"}');
  });

  it("even if it makes the search long", () => {
    conceal(`${"\\".repeat(30)}'"end`);
    const started = Date.now();
    mask("\\".repeat(2_000));
    assert.ok(Date.now() - started < 2_000, `${Date.now() - started} ms`);
  });
});

describe("ci: the password of the state's address", () => {
  const dir = jobDirectory();
  // As the CLI prints it; the password once more as the driver has it.
  const bucket = "error: unable to open bucket $PULUMI_BACKEND_URL: password of-the/state refused";
  /** deploy.ts as a job's process, going back to the former release, with a CLI that fails at this command. */
  const job = async (failing: string): Promise<{ printed: string; code: number | null }> => {
    fakeProgram(
      dir(),
      "pulumi",
      `case "$*" in *"${failing}"*) echo "${bucket}" >&2; exit 255;; *output*) echo '${JSON.stringify(OUTPUTS)}';; *config*) echo '{}';; esac`,
    );
    const script = `
      const { exec } = require("./ci/lib/exec");
      const run = (file, ...more) => file === "pulumi" ? exec(process.env.FAKE, ...more) : { code: 0, stdout: "/bin/true", all: "" };
      const going = (job) => ({ ...job, argv: ["rollback"] });
      require("./ci/lib/failure").runJob((job) => require("./ci/deploy").deploy(going(job), async (...all) => run(...all), process.env.DIR));`;
    const env = {
      ...{ PATH: process.env.PATH, HOME: dir(), DIR: dir(), FAKE: join(dir(), "pulumi"), ...(await login("deploy")) },
      CI_COMMIT_REF_PROTECTED: "true",
      PULUMI_BACKEND_URL: "postgres://state:of-the%2Fstate@db/state",
    };
    const child = spawn(process.execPath, ["--require", "tsx/cjs", "-e", script], { cwd: ROOT, env });
    const [out, err] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
    return { printed: out + err, code: child.exitCode };
  };

  it("is in nothing that a job prints when the CLI repeats it", async () => {
    for (const failing of ["stack output", "up --yes"]) {
      const { printed, code } = await job(failing);
      assert.equal(code, 1, printed);
      assert.match(
        printed,
        /^error: Pulumi could not .*unable to open bucket \[MASKED\]\?sslmode=verify-full: password \[MASKED\]/m,
      );
      assert.doesNotMatch(printed, /of-the/);
    }
  });
});

describe("ci: the part of a login that is secret on its own", () => {
  it("the password, with its colons; a token as a whole", () => {
    assert.equal(secretPart("admin:pass:word"), "pass:word");
    assert.equal(secretPart("glsa_token"), "glsa_token");
  });

  it("the password of a URL, however it is written", () => {
    assert.equal(passwordOf("postgres://u:p%2Fw@db/state"), "p/w");
    assert.equal(passwordOf("postgres://u:100%sure@db/state"), "100%sure");
    assert.equal(passwordOf("postgres://db/state?user=u&password=p%2Fw"), "p/w");
    assert.equal(passwordOf("postgres://db/state"), undefined);
    assert.equal(passwordOf("file:///state"), undefined);
    assert.equal(passwordOf("no url"), undefined);
  });
});
