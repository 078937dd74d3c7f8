import * as pulumi from "@pulumi/pulumi";
import { askHost } from "./ask-host";
import { scriptLine } from "../host/script-file";

/** How often each resource was recreated because it was missing on its host, by name; without those that never were. */
export type Recreated = Readonly<Record<string, number>>;

/** The state in which the last run left a container or network on the host. */
export type Left = "nothing" | "there" | "running";

/**
 * Finds missing resources: what was lost on the host, removed or stopped by hand, or removed by a deploy that was
 * killed before it recorded that. The state still has them, so without a refresh every later `up` would treat them as
 * unchanged and fail at whatever needs them (docs/decisions/0065, 0120). A preview checks too; if it cannot reach the
 * host, it assumes that nothing is missing.
 */
export class MissingResources {
  readonly #triggers = new Map<string, Promise<number>>();
  #found: Promise<ReadonlySet<string> | undefined> | undefined;

  /**
   * @param shell the command to which a shell text for the host is appended
   * @param former {@link recreated} of the last run; undefined until one has completed, when nothing can be missing
   */
  constructor(
    private readonly shell: string,
    private readonly former: Recreated | undefined,
  ) {}

  /**
   * A resource's `replacementTrigger`: differs from the state if something that should be on the host is missing.
   *
   * @param resource name under which recreations are counted
   * @param left how the last run left each container or network of the resource, by name
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

  /**
   * What exists on the host; undefined if its answer is incomplete, which the deploy itself will run into and report.
   */
  async #ask(): Promise<ReadonlySet<string> | undefined> {
    const printed = await askHost(this.shell, scriptLine("list-present.sh")).catch(() => "");
    return printed.endsWith("\n.\n") ? new Set(printed.split("\n")) : undefined;
  }
}
