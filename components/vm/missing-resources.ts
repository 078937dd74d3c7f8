import * as pulumi from "@pulumi/pulumi";
import { askHost } from "./ask-host";
import { scriptLine } from "../host/script-file";

/** How often a resource was made anew because its host had lost what it stands for, by its name; without those that never were. */
export type Recreated = Readonly<Record<string, number>>;

/** How the last run left a container or network on the host. */
export type Left = "nothing" | "there" | "running";

/**
 * Notices missing resources: what the host has lost, removed or stopped by hand, or by a deploy that was killed before it wrote that
 * down. The state still has it, so that without a refresh every later `up` would leave it "unchanged", and fail at whatever needs it
 * (docs/decisions/0065, 0120). A preview asks as well; one that has no way to the host shows what it would show if nothing were lost.
 */
export class MissingResources {
  readonly #triggers = new Map<string, Promise<number>>();
  #found: Promise<ReadonlySet<string> | undefined> | undefined;

  /**
   * @param shell the command before a shell text that is to run on the host
   * @param former what the last run left in {@link recreated}; undefined while none has come to its end, and there is nothing to lose
   */
  constructor(
    private readonly shell: string,
    private readonly former: Recreated | undefined,
  ) {}

  /**
   * A resource's `replacementTrigger`: another than in the state when the host should have something, and has not.
   *
   * @param resource name under which it is counted
   * @param left how the last run left each container or network that the resource stands for, by its name
   */
  trigger(resource: string, left: Readonly<Record<string, Left>>): Promise<number> | undefined {
    const expected = Object.entries(left).filter(([, how]) => how !== "nothing");
    if (pulumi.runtime.isDryRun() && this.former === undefined) return undefined;
    const count = this.former?.[resource] ?? 0;
    const trigger =
      this.former === undefined || expected.length === 0 ? Promise.resolve(count) : this.#count(count, expected);
    this.#triggers.set(resource, trigger);
    return trigger;
  }

  get recreated(): pulumi.Output<Recreated> {
    const counted = [...this.#triggers].map(async ([name, trigger]) => [name, await trigger] as const);
    return pulumi
      .output(Promise.all(counted))
      .apply((all) => Object.fromEntries(all.filter(([, count]) => count > 0).sort(([a], [b]) => (a < b ? -1 : 1))));
  }

  async #count(former: number, expected: readonly (readonly [string, Left])[]): Promise<number> {
    this.#found ??= this.#ask();
    const found = await this.#found;
    const missing = found && expected.filter(([name, how]) => !found.has(`${how} ${name}`));
    if (missing === undefined || missing.length === 0) return former;
    for (const [name, how] of missing)
      await pulumi.log.info(`${name} ${how === "running" ? "should run on its host and does not" : "is gone from its host"}`); // prettier-ignore
    return former + 1;
  }

  /** What there is on the host; undefined when it does not answer in full, which the deploy itself will find and say. */
  async #ask(): Promise<ReadonlySet<string> | undefined> {
    const printed = await askHost(this.shell, scriptLine("list-present.sh")).catch(() => "");
    return printed.endsWith("\n.\n") ? new Set(printed.split("\n")) : undefined;
  }
}
