import pg from "pg";

/**
 * The server function whose notice says that a commit stopped waiting for its standby. The notice's text depends on
 * `lc_messages`, and its code is that of any warning.
 */
const STANDBY_WAIT = "SyncRepWaitForLSN";

/** Errors of a way that does not lead through, or not yet. EAI_AGAIN: DNS did not answer. */
const NO_WAY = ["ECONNREFUSED", "ECONNRESET", "EHOSTUNREACH", "ENETUNREACH", "ETIMEDOUT", "EAI_AGAIN"];

/** Anything that runs a statement. */
export interface Queries {
  query(statement: pg.QueryConfig): Promise<pg.QueryResult>;
}

/**
 * A commit took place only on the primary: its wait for a synchronous standby was cancelled, so a failover may lose it.
 */
export class UnconfirmedCommit extends Error {
  constructor() {
    super("the commit was not confirmed by the synchronous standby");
  }
}

/**
 * Connects, and tries again while the network does not let through: a new pod gets there only when the cluster's nodes
 * know it, a moment after its start.
 * @param seconds after which no further try begins
 * @throws what the last try did; at once what another try would not change, such as a wrong password
 */
export async function connectPatiently(config: pg.ClientConfig, seconds: number): Promise<pg.Client> {
  const end = performance.now() + seconds * 1000;
  for (;;) {
    const client = new pg.Client(config);
    client.on("error", () => undefined);
    try {
      await client.connect();
      return client;
    } catch (error) {
      if (!isNoWay(error) || performance.now() >= end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}

function isNoWay(error: unknown): boolean {
  const { code = "", message } = error as { code?: string; message?: string };
  // The text is that of `pg`, after connectionTimeoutMillis.
  return NO_WAY.includes(code) || message === "timeout expired";
}

/**
 * Runs statements over a connection and makes the server cancel those that take too long. `statement_timeout` does not
 * suffice: poolers refuse it as a startup parameter, and it does not apply to a commit that waits for a standby.
 * @param seconds after which the server is asked to cancel
 * @throws {UnconfirmedCommit} if a commit took place, but not on the synchronous standby
 */
export async function supervise<T>(
  client: pg.ClientBase,
  config: pg.ClientConfig,
  seconds: number,
  work: () => Promise<T>,
): Promise<T> {
  let unconfirmed = false;
  const notice = ({ routine }: { routine?: string | undefined }): void => {
    unconfirmed ||= routine === STANDBY_WAIT;
  };
  client.on("notice", notice);
  const timer = setTimeout(() => cancel(client, config), seconds * 1000);
  try {
    const result = await work();
    if (unconfirmed) throw new UnconfirmedCommit();
    return result;
  } finally {
    clearTimeout(timer);
    client.off("notice", notice);
  }
}

/** Asks the server to cancel a connection's statement, over a second connection, as PostgreSQL's protocol requires. */
function cancel(client: pg.ClientBase, { host, port, ssl }: pg.ClientConfig): void {
  const { processID, secretKey } = client as unknown as { processID: number; secretKey: number };
  const connection = new pg.Connection({ ssl }) as pg.Connection & {
    connect(port: number | undefined, host: string | undefined): void;
    cancel(processID: number, secretKey: number): void;
  };
  const send = (): void => connection.cancel(processID, secretKey);
  connection.once("connect", send).once("sslconnect", send);
  connection.on("error", () => undefined);
  connection.stream.once("close", () => clearTimeout(limit));
  const limit = setTimeout(() => connection.stream.destroy(), 5000);
  connection.connect(port, host);
}

/** A pool of connections that are used through {@link supervise}. */
export class Connections {
  readonly #pool: pg.Pool;

  /** @param seconds that one use of a connection may take */
  constructor(
    private readonly config: pg.ClientConfig,
    private readonly seconds: number,
    max: number,
    lost: (error: Error) => void,
  ) {
    this.#pool = new pg.Pool({
      ...config,
      max,
      // Only this detects a server that vanished without closing the connection.
      query_timeout: seconds * 1000 + 1000,
      idleTimeoutMillis: 60_000,
    });
    // The pool reports connections lost while idle; a lost connection in use fails its statement.
    this.#pool.on("error", lost);
    this.#pool.on("connect", (client) => client.on("error", () => undefined));
  }

  /**
   * Runs statements over one connection, which is closed if they fail, because it may be in the middle of a
   * transaction.
   */
  async use<T>(work: (db: pg.ClientBase) => Promise<T>): Promise<T> {
    const client = await this.#pool.connect();
    let done = false;
    try {
      const result = await supervise(client, this.config, this.seconds, () => work(client));
      done = true;
      return result;
    } finally {
      client.release(!done);
    }
  }

  get state(): { idle: number; busy: number; waiting: number } {
    const { idleCount, totalCount, waitingCount } = this.#pool;
    return { idle: idleCount, busy: totalCount - idleCount, waiting: waitingCount };
  }

  close(): Promise<void> {
    return this.#pool.end();
  }
}
