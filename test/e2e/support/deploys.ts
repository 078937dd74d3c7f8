import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { times } from "../../support/depth";
import { startLoad, withoutLoss, type Load } from "./load";
import { attached, type Ran, type Sandbox } from "./sandbox";

export interface SlotState {
  active: "blue" | "green";
  slots: Partial<Record<"blue" | "green", { release: string; image: string; replicas: number }>>;
}

/** Settings of the stack without their namespace, which override the sandbox's. */
export type Change = Readonly<
  Record<string, string | number | boolean | readonly string[] | Readonly<Record<string, string>>>
>;

/** Deploys to the sandbox with changed settings. The sandbox's settings file stays unchanged. */
export class Deploys {
  private readonly directory = mkdtempSync(join(tmpdir(), "settings-"));
  /** Settings that the sandbox is deployed with. */
  readonly original: { image: string; memory: number };
  /** Whether the last deploy used the sandbox's own settings and succeeded, so that nothing has to be restored. */
  restored = false;
  private count = 0;

  constructor(readonly sandbox: Sandbox) {
    const { "audit:image": image = "", "audit:memory": memory = 256 } = this.settings().config;
    this.original = { image: String(image), memory: Number(memory) };
  }

  private settings(): { config: Record<string, unknown> } {
    return parse(readFileSync(this.sandbox.get("PULUMI_OPTION_CONFIG_FILE"), "utf8")) as {
      config: Record<string, unknown>;
    };
  }

  /** The environment of a `pulumi` that uses the sandbox's settings, overridden by these. */
  env(change: Change = {}): NodeJS.ProcessEnv {
    const settings = this.settings();
    for (const [key, value] of Object.entries(change)) settings.config[`audit:${key}`] = value;
    const file = join(this.directory, `Pulumi.${this.count++}.yaml`);
    writeFileSync(file, stringify(settings));
    return { ...this.sandbox.env, PULUMI_OPTION_CONFIG_FILE: file };
  }

  async up(change: Change = {}, options: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Promise<Ran> {
    const ran = await this.sandbox.pulumi(["up", "--yes", "--skip-preview", ...options], {
      ...this.env(change),
      ...env,
    });
    this.restored = ran.code === 0 && Object.keys(change).length === 0;
    return ran;
  }

  /** Like {@link up}, but it must succeed. @returns its output */
  async mustUp(change: Change = {}): Promise<string> {
    const { code, output } = await this.up(change);
    assert.equal(code, 0, output);
    return output;
  }

  async state(): Promise<SlotState> {
    return JSON.parse(await this.sandbox.mustPulumi("stack", "output", "releases", "--json")) as SlotState;
  }

  /** Every container on VM2 with its id. */
  async containers(): Promise<string[]> {
    const list = await this.sandbox.docker("ps", "--all", "--no-trunc", "--format", "{{.Names}} {{.ID}}");
    return list.split("\n").sort();
  }

  /** Asserts that the running replicas are those of this slot, and that there are some. */
  async serves(slot: string): Promise<void> {
    const names = (await this.sandbox.docker("ps", "--format", "{{.Names}}"))
      .split("\n")
      .filter((name) => /-(blue|green)-\d+$/.test(name));
    assert.ok(names.length > 0 && names.every((name) => name.includes(slot)), `runs: ${names.join(", ")}`);
  }

  close(): void {
    rmSync(this.directory, { recursive: true });
  }
}

/** What a suite about deploys uses: deploys, and clients that keep sending during each of its tests. */
export interface DeploysUnderLoad {
  deploys: () => Deploys;
  /** Stops a test's load generator and asserts that it has lost no request. */
  nothingLost: () => Promise<void>;
}

/** Attaches a suite to the sandbox; at the end it deploys the original release again. */
export function deploysUnderLoad(): DeploysUnderLoad {
  const sandbox = attached();
  let deploys: Deploys | undefined;
  let load: Load | undefined;
  before(() => {
    deploys = new Deploys(sandbox());
  });
  beforeEach(() => {
    load = startLoad({
      url: sandbox().get("AUDIT_URL"),
      token: sandbox().get("AUDIT_TOKEN"),
      application: "demo",
      // At 200 a second, load and service take two fifths of two cores, and each deploy takes longer by it.
      rate: times(100, 200),
      limit: 900,
    });
  });
  afterEach(async () => {
    await load?.stop();
    load = undefined;
  });
  after(async () => {
    // Restore the state that later scenarios expect.
    if (deploys?.restored === false) await deploys.up();
    deploys?.close();
  });
  return {
    deploys: () => {
      if (deploys === undefined) throw new Error("deploys are known only within tests");
      return deploys;
    },
    nothingLost: async () => {
      const result = await load?.stop();
      load = undefined;
      const { stored } = withoutLoss(result);
      assert.ok(stored > 100, `only ${stored} requests were sent`);
    },
  };
}
