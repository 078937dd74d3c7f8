import type { StackOutputs } from "../../ci/lib/stack";
import type { Sample } from "../../lib/prometheus-api";
import { podsOf, type Pod } from "../cluster/pods";
import { lastUpdates, type Update } from "../deploys/updates";
import { lookAtContainers, type Containers } from "../vm/containers";
import type { World } from "../world";

/** Milliseconds for which the answers of the CLI stay good: it takes seconds of CPU, and only a deploy changes them. */
const KEPT = 30_000;
/** Milliseconds for the rest of one look. */
const ONE_LOOK = 1_000;

/** What the parts of the screen ask: each question once a look, whoever needs the answer. */
export class Asked {
  readonly #answers = new Map<string, { at: number; answer: Promise<unknown> }>();

  constructor(readonly world: World) {}

  outputs(): Promise<StackOutputs> {
    return this.#once("outputs", KEPT, () => this.world.outputs());
  }

  updates(): Promise<Update[]> {
    return this.#once("updates", KEPT, () => lastUpdates(this.world, 20));
  }

  containers(): Promise<Containers> {
    return this.#once("containers", ONE_LOOK, () => lookAtContainers((line) => this.world.onHost(line)));
  }

  pods(): Promise<readonly Pod[]> {
    return this.#once("pods", ONE_LOOK, () => podsOf(this.world.values));
  }

  /** @param expr PromQL; `$of` in it is a matcher of this environment's series */
  query(expr: string): Promise<Sample[]> {
    const of = `environment=${JSON.stringify(this.world.values.environment)}`;
    return this.#once(expr, ONE_LOOK, () => this.world.prometheus().query(expr.replaceAll("$of", of)));
  }

  #once<T>(question: string, kept: number, ask: () => Promise<T>): Promise<T> {
    const known = this.#answers.get(question);
    if (known !== undefined && performance.now() - known.at < kept) return known.answer as Promise<T>;
    const answer = ask();
    this.#answers.set(question, { at: performance.now(), answer });
    // A failure is asked for again by the next look.
    answer.catch(() => this.#answers.delete(question));
    return answer;
  }
}
