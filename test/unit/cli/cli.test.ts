import assert from "node:assert/strict";
import { conceal } from "../../../ci/lib/secrets";
import { defineCommand } from "../../../cli/command";
import { COMMANDS } from "../../../cli/commands";
import { CommandError } from "../../../cli/errors";
import { Interrupts } from "../../../cli/interrupts";
import { SetupError } from "../../../lib/vault/plan";
import { UserError } from "../../../lib/user-error";
import { audit } from "./support";

const greet = defineCommand<{ name: string; loud: boolean }>({
  usage: "greet <name>",
  about: "greets somebody",
  examples: [["audit greet you --loud", "loudly"]],
  options: (parser) =>
    parser
      .positional("name", { type: "string", demandOption: true, describe: "whom" })
      .option("loud", { type: "boolean", default: false, describe: "in capitals" }),
  run: ({ name, loud, stack }, { output, interrupts }) => {
    if (name === "nobody") throw new CommandError("there is nobody to greet; name somebody");
    if (name === "vault") throw new SetupError("Vault says no");
    if (name === "pulumi") throw new UserError("Pulumi says no");
    if (name === "bug") throw new TypeError("hunter2-secret is undefined");
    if (name === "slow") interrupts.interrupt();
    if (interrupts.signal.aborted) throw new Error("stopped");
    const text = `hello ${name}${stack === undefined ? "" : ` on ${stack}`}`;
    output.note("greeting");
    output.answer({ text }, output.style.green(loud ? text.toUpperCase() : text));
    return Promise.resolve(loud ? 1 : 0);
  },
});
const run = (argv: string[], options = {}) => audit(argv, { commands: [greet], ...options });

describe("the command audit", () => {
  before(() => conceal("hunter2-secret"));

  it("gives answers on stdout and the rest on stderr, and the command's exit code", async () => {
    assert.deepEqual(await run(["greet", "you"]), { code: 0, out: "hello you\n", err: "greeting\n" });
    assert.deepEqual(await run(["greet", "you", "--loud", "--stack", "vm3"]), {
      ...{ code: 1, out: "HELLO YOU ON VM3\n", err: "greeting\n" },
    });
  });

  it("prints what a terminal would obey as JSON spells it", async () => {
    const name = "\u001b[2J\u009b1A\u202e\u0007";
    const spelt = "\\u001b[2J\\u009b1A\\u202e\\u0007";
    assert.equal((await run(["greet", name])).out, `hello ${spelt}\n`);
    const loud = await run(["greet", name, "--loud"], { terminal: true });
    assert.equal(loud.out, `\u001b[32mHELLO ${spelt}\u001b[39m\n`);
    const { out } = await run(["greet", name, "--json"]);
    assert.equal(out, `{"text":"hello ${spelt}"}\n`);
    assert.deepEqual(JSON.parse(out), { text: `hello ${name}` });
    assert.ok(!/[\u009b\u202e]/.test((await run([name])).err));
  }); // prettier-ignore

  it("gives JSON for programs, one line an answer", async () => {
    assert.deepEqual(await run(["greet", "you", "--json"]), {
      code: 0,
      out: '{"text":"hello you"}\n',
      err: "greeting\n",
    });
  });

  it("colours only a terminal, and never with NO_COLOR, TERM=dumb or --json", async () => {
    const on = { terminal: true };
    assert.equal((await run(["greet", "you"], on)).out, "\u001b[32mhello you\u001b[39m\n");
    assert.equal((await run(["greet", "you"], { ...on, env: { NO_COLOR: "1" } })).out, "hello you\n");
    assert.equal((await run(["greet", "you"], { ...on, env: { TERM: "dumb" } })).out, "hello you\n");
    assert.equal((await run(["greet", "you", "--json"], on)).out, '{"text":"hello you"}\n');
  });

  for (const [argv, what] of [
    [[], /Name a command/],
    [["gret", "you"], /Did you mean greet\?/],
    [["greet"], /Not enough non-option arguments: got 0, need at least 1/],
    [["greet", "you", "--lod"], /Unknown argument: lod/],
    [["greet", "you", "me"], /Unknown argument: me/],
    [["greet", "you", "--stack"], /Not enough arguments following: stack/],
  ] as const) {
    it(`refuses \`audit ${argv.join(" ")}\` with exit code 2, and says where help is`, async () => {
      const { code, out, err } = await run([...argv]);
      assert.equal(code, 2);
      assert.equal(out, "");
      assert.match(err, what);
      assert.match(err, /audit --help/);
    });
  }

  it("shows what a user can put right without a stack trace, also of the program and of bootstrap", async () => {
    assert.deepEqual(await run(["greet", "nobody"]), {
      ...{ code: 1, out: "", err: "error: there is nobody to greet; name somebody\n" },
    });
    assert.equal((await run(["greet", "vault"])).err, "error: Vault says no\n");
    assert.equal((await run(["greet", "pulumi"])).err, "error: Pulumi says no\n");
    assert.deepEqual(await run(["greet", "nobody", "--json"]), {
      ...{ code: 1, out: '{"error":"there is nobody to greet; name somebody"}\n', err: "" },
    });
  });

  it("shows a bug with the trace that a report needs, and no secret in it", async () => {
    for (const argv of [
      ["greet", "bug"],
      ["greet", "bug", "--json"],
    ]) {
      const { code, out, err } = await run(argv);
      assert.equal(code, 1);
      assert.match(err, /please report it[^]*TypeError: \[MASKED\] is undefined\n {4}at /);
      assert.doesNotMatch(out + err, /hunter2/);
    }
  });

  it("ends with 130 after Ctrl-C, and says nothing more", async () => {
    assert.deepEqual(await run(["greet", "slow"]), { code: 130, out: "", err: "" });
  });

  it("leaves Ctrl-C to a program that has the terminal, and ends at the second one", async () => {
    const codes: number[] = [];
    const interrupts = new Interrupts((code) => codes.push(code));
    await interrupts.attached(async () => interrupts.interrupt());
    assert.equal(interrupts.signal.aborted, false);
    interrupts.interrupt();
    assert.equal(interrupts.signal.aborted, true);
    interrupts.interrupt();
    assert.deepEqual(codes, [130]);
  });

  it("prints help with the examples, its version, and a script for completion", async () => {
    const help = await run(["greet", "--help"]);
    assert.equal(help.code, 0);
    assert.match(
      help.out,
      /audit greet <name>\n\ngreets somebody[^]*--loud[^]*Examples:\n +audit greet you --loud +loudly/,
    );
    assert.match((await run(["--help"])).out, /audit greet <name> +greets somebody/);
    assert.match((await run(["--version"])).out, /^\d+\.\d+\.\d+\n$/);
    assert.match((await run(["completion"])).out, /complete .*audit/);
    assert.match((await run(["--get-yargs-completions", "audit", "gr"])).out, /^greet/m);
  });

  for (const { usage, examples, about } of COMMANDS) {
    it(`has an example for ${usage}, and says what it does in one line`, () => {
      assert.ok(examples.length > 0);
      for (const [line] of examples) assert.ok(line.startsWith(`audit ${usage.split(" ")[0] ?? ""}`), line);
      assert.ok(about.length < 90 && !about.endsWith("."), about);
    });
  }
});
