import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster } from "./cluster";

/** Seconds that one answer may take. */
const PATIENCE = 5;

/** Clients that send an event again, with its id, until it is acknowledged. */
export class PatientClients {
  /** By it the events are found. */
  readonly actor = `patient-${randomUUID()}`;
  acknowledged = 0;
  /** Attempts that were in vain, and when the last of them was, by `Date.now()`. */
  failed = 0;
  lastFailure: number | undefined;
  private stopped = false;
  private readonly running: Promise<unknown>;

  constructor(
    private readonly cluster: Cluster,
    clients = 10,
  ) {
    this.running = Promise.all(Array.from({ length: clients }, () => this.client()));
  }

  private async client(): Promise<void> {
    while (!this.stopped) {
      const body = JSON.stringify({
        ...{ id: randomUUID(), application: "demo", actor: this.actor, action: "request", resource: "edge" },
        ...{ outcome: "success", occurredAt: new Date().toISOString() },
      });
      while (!(await this.sent(body))) await sleep(200);
      this.acknowledged += 1;
      await sleep(100);
    }
  }

  private async sent(body: string): Promise<boolean> {
    const signal = AbortSignal.timeout(PATIENCE * 1000);
    const token = this.cluster.get("AUDIT_TOKEN");
    const { status } = await this.cluster
      .edge("/v1/events", { method: "POST", token, body, signal })
      .catch(() => ({ status: 0 }));
    if (status === 201) return true;
    this.failed += 1;
    this.lastFailure = Date.now();
    return false;
  }

  /** Ends once each event that was begun is acknowledged. */
  async stop(): Promise<void> {
    this.stopped = true;
    await this.running;
  }
}
