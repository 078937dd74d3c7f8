import * as pulumi from "@pulumi/pulumi";
import { askHost } from "./ask-host";

/** How often a container or network was made anew because its host had lost it, by its name; without those that never were. */
export type Recreated = Readonly<Record<string, number>>;

/** Ends with a line that is no name: what came in only in part must not pass for a host that has lost the rest. */
const LIST = "docker container ls --all --format '{{.Names}}' && docker network ls --format '{{.Name}}' && echo .";

/**
 * Notices what a host has lost: removed by hand, or by a deploy that was killed before it wrote the removal down. The state
 * still has it, so that without a refresh every later `up` would leave it "unchanged", and fail at whatever needs it
 * (docs/decisions/0065). Nothing is asked in a preview, which needs no way to the host.
 */
export class LostAndFound {
  readonly #triggers = new Map<string, Promise<number>>();
  #present: Promise<ReadonlySet<string> | undefined> | undefined;

  /**
   * @param shell the command before a shell text that is to run on the host
   * @param former what the last run left in {@link recreated}; undefined while none has come to its end, and there is nothing to lose
   */
  constructor(
    private readonly shell: string,
    private readonly former: Recreated | undefined,
  ) {}

  /** A resource's `replacementTrigger`: another than in the state when the host should have something of this name, and has not. */
  trigger(name: string, had: boolean): Promise<number> | undefined {
    if (pulumi.runtime.isDryRun()) return undefined;
    const count = this.former?.[name] ?? 0;
    const trigger =
      had && this.former !== undefined
        ? this.#names().then((names) => (names === undefined || names.has(name) ? count : count + 1))
        : Promise.resolve(count);
    this.#triggers.set(name, trigger);
    return trigger;
  }

  get recreated(): pulumi.Output<Recreated> {
    if (pulumi.runtime.isDryRun()) return pulumi.output(this.former ?? {});
    const counted = [...this.#triggers].map(async ([name, trigger]) => [name, await trigger] as const);
    return pulumi
      .output(Promise.all(counted))
      .apply((all) => Object.fromEntries(all.filter(([, count]) => count > 0).sort(([a], [b]) => (a < b ? -1 : 1))));
  }

  /** Names of all that the host has; undefined when it does not answer in full, which the deploy itself will find and say. */
  #names(): Promise<ReadonlySet<string> | undefined> {
    this.#present ??= askHost(this.shell, LIST).then(
      (printed) => (printed.endsWith("\n.\n") ? new Set(printed.split("\n")) : undefined),
      () => undefined,
    );
    return this.#present;
  }
}
