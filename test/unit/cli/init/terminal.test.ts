import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { stripVTControlCharacters } from "node:util";
import { QUESTIONS } from "../../../../cli/init/questions";
import { times } from "../../../support/depth";
import { project, root } from "./world";

const CTRL_C = "\u0003";
/** Whether Ctrl-C is pressed at every question, and not at some of them. */
const thorough = times(0, 1) === 1;

/** `audit init` in a terminal: `script` of util-linux gives it one. */
class Terminal {
  readonly #child;
  readonly #ended: Promise<unknown[]>;
  #screen = "";

  constructor(directory: string, stack: string) {
    // `script` takes one shell line; nothing in it needs quotes. No sentence is broken in two on a wide screen.
    const line = `stty columns 300; exec ${process.execPath} ${join(root, "cli/audit.mjs")} init --stack ${stack}`;
    this.#child = spawn("script", ["--quiet", "--return", "--echo", "never", "--command", line, "/dev/null"], {
      cwd: directory,
      env: { ...process.env, TERM: "xterm", NO_COLOR: "1" },
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#child.stdout.on("data", (chunk: Buffer) => (this.#screen += stripVTControlCharacters(chunk.toString())));
    this.#ended = once(this.#child, "exit");
  }

  /** Waits until the text is on the screen, then forgets what was before it. */
  async sees(text: string): Promise<void> {
    for (const end = Date.now() + 20_000; !this.#screen.includes(text); await sleep(20))
      if (Date.now() > end) throw new Error(`no "${text}" on the screen:\n${this.#screen}`);
    this.#screen = this.#screen.slice(this.#screen.indexOf(text) + text.length);
  }

  close(): void {
    this.#child.kill();
  }

  type(keys: string): void {
    this.#child.stdin.write(keys);
  }

  async end(): Promise<{ code: unknown; screen: string }> {
    const [code] = await this.#ended;
    return { code, screen: this.#screen };
  }
}

describe("audit init, at a terminal", function () {
  this.timeout(thorough ? 300_000 : 120_000);
  let directory = "";
  let terminals: Terminal[] = [];
  const open = (): Terminal => {
    const terminal = new Terminal(directory, "vm3");
    terminals.push(terminal);
    return terminal;
  };
  beforeEach(() => (directory = project()));
  afterEach(() => {
    for (const terminal of terminals) terminal.close();
    terminals = [];
    rmSync(directory, { recursive: true });
  });
  const files = () => readdirSync(directory).sort();
  const askedAt = (key: string) => QUESTIONS.find((question) => question.key === key)?.ask ?? "";

  it("refuses a wrong answer where it is given, and keeps a doubtful one that is confirmed", async () => {
    const terminal = open();
    await terminal.sees(askedAt("platform"));
    terminal.type("\r");
    await terminal.sees(askedAt("hostAddress"));
    terminal.type("vm3.invalid\r");
    await terminal.sees("must");
    terminal.type("\u0015ssh://deploy@vm3.invalid\r");
    await terminal.sees("DNS does not know vm3.invalid. Press Enter again");
    terminal.type("\r");
    await terminal.sees(askedAt("hostCidr"));
    terminal.type("10.0.0.3\r");
    await terminal.sees("must be an address range such as 10.0.0.7/32");
    terminal.type(CTRL_C);
    const { code, screen } = await terminal.end();
    assert.equal(code, 130);
    assert.match(screen, /Nothing was written\./);
    assert.deepEqual(files(), ["Pulumi.vm2.yaml", "Pulumi.yaml"]);
  });

  it("leaves nothing behind after Ctrl-C at any question", async () => {
    /** What gets past each question without a world behind it. */
    const given: Record<string, string> = {
      ...{ hostAddress: "ssh://deploy@127.0.0.1:1", hostCidr: "10.0.0.3/32", image: "hub.invalid/audit/audit-svc" },
      ...Object.fromEntries(["edgeImage", "exporterImage", "vaultImage"].map((key) => [key, `hub.invalid/x@sha256:${"1".repeat(64)}`])), // prettier-ignore
      ...{ databaseHost: "127.0.0.1", databasePort: "1", vaultAddress: "http://127.0.0.1:1" },
      ...{
        serviceUrl: "https://127.0.0.1",
        prometheusUrl: "http://127.0.0.1:1",
        prometheusHost: "ssh://deploy@127.0.0.1:1",
      },
      ...{ edgeMetricsAllow: "127.0.0.1", grafanaUrl: "http://127.0.0.1:1", "gitlab.url": "http://127.0.0.1:1" },
      ...{ "gitlab.project": "team/audit", "gitlab.projectId": "42" },
    };
    const asked = QUESTIONS.filter(
      ({ when }) => when === undefined || when({ platform: "vm", prometheus: "docker", tls: "off" }),
    );
    const upTo = async (last: number): Promise<void> => {
      const terminal = open();
      for (const { key, ask } of asked.slice(0, last)) {
        await terminal.sees(ask);
        // Twice: nothing answers there, which is doubtful.
        terminal.type(`${given[key] ?? ""}\r`);
        if (given[key]?.includes("127.0.0.1:1") || key === "databasePort") {
          await terminal.sees("Press Enter again");
          terminal.type("\r");
        }
      }
      await terminal.sees(asked[last]?.ask ?? "");
      terminal.type(CTRL_C);
      const { code } = await terminal.end();
      assert.equal(code, 130, asked[last]?.key);
      assert.deepEqual(files(), ["Pulumi.vm2.yaml", "Pulumi.yaml"], asked[last]?.key);
    };
    // At the last question every other one has been asked.
    const all = asked.map((_, index) => index);
    for (const last of thorough ? all : [0, 6, 13, asked.length - 1]) await upTo(last);
  });
});
