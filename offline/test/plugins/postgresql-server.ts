import pg from "pg";
import { platformImage, ScratchContainer } from "../support/scratch-container.js";

/** Of a throw-away server, so it may stand here. */
const SUPERUSER = { user: "postgres", password: "scratch" };
/** As the sandbox's provider user is: no superuser, but may make roles and databases. */
export const OPERATOR = { user: "operator", password: "operator-scratch" };

type Login = typeof SUPERUSER;

/** A PostgreSQL for one test file. */
export class PostgresServer {
  private constructor(private readonly container: ScratchContainer) {}

  static async start(): Promise<PostgresServer> {
    const container = await ScratchContainer.start(await platformImage("postgres"), {
      ports: [5432],
      env: { POSTGRES_PASSWORD: SUPERUSER.password },
      args: ["--tmpfs", "/dev/shm"],
    });
    const server = new PostgresServer(container);
    // The image starts a server for its own set-up first, which listens on its socket alone.
    await container.until("PostgreSQL did not answer", () => server.rows("SELECT 1"));
    await server.rows(`CREATE ROLE ${OPERATOR.user} LOGIN CREATEROLE CREATEDB PASSWORD '${OPERATOR.password}'`);
    return server;
  }

  get port(): number {
    return this.container.port(5432);
  }

  /** The settings of a provider that logs in as the superuser, or as the operator. */
  provider(login: Login = SUPERUSER): Record<string, unknown> {
    return {
      host: "127.0.0.1",
      port: this.port,
      username: login.user,
      password: login.password,
      sslmode: "disable",
      superuser: login === SUPERUSER,
    };
  }

  /** Runs a statement beside the plugin, as the superuser unless told otherwise. */
  async rows<R extends pg.QueryResultRow>(sql: string, database = "postgres", login: Login = SUPERUSER): Promise<R[]> {
    const client = new pg.Client({
      host: "127.0.0.1",
      port: this.port,
      database,
      ...login,
      connectionTimeoutMillis: 5000,
    });
    client.on("error", () => undefined);
    await client.connect();
    try {
      return (await client.query<R>(sql)).rows;
    } finally {
      await client.end();
    }
  }

  stop(): Promise<void> {
    return this.container.remove();
  }
}
