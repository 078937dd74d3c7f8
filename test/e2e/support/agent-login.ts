import assert from "node:assert/strict";
import type { Ran, Sandbox } from "./sandbox";

const ROLE = "auth/approle/role/audit-svc";
/** The resource that delivers the secret_id, as named in docs/runbook.md. */
const SECRET_ID = "**::audit-svc-secret-id";

export interface Credentials {
  role_id: string;
  secret_id: string;
}

/** The log-in of the service's Vault Agent: its files on VM2, and what Vault knows about them. */
export class AgentLogin {
  constructor(private readonly sandbox: Sandbox) {}

  /**
   * Runs a shell line as root on VM2 in the agent's image, with the agent's credentials and network.
   *
   * @returns its output
   */
  async onVolume(line: string): Promise<string> {
    const image = await this.sandbox.docker("inspect", "--format", "{{.Image}}", "audit-svc-agent");
    const options = "--rm --network audit-egress --env VAULT_ADDR=http://vault.sandbox.test:8200 --entrypoint sh";
    const volume = ["--volume", "audit-svc-credentials:/credentials:ro"];
    return this.sandbox.docker("run", ...options.split(" "), ...volume, image, "-c", line);
  }

  async credentials(): Promise<Credentials> {
    const [role_id = "", secret_id = ""] = await Promise.all(
      ["role_id", "secret_id"].map((file) => this.onVolume(`cat /credentials/${file}`)),
    );
    return { role_id, secret_id };
  }

  /** Logs in from VM2, as the agent does. @returns "let in", "refused", or any other output */
  async logIn(as: Credentials): Promise<string> {
    const output = await this.onVolume(
      `vault write -field=token auth/approle/login role_id=${as.role_id} secret_id=${as.secret_id} 2>&1 > /dev/null || true`,
    );
    if (output === "") return "let in";
    return /invalid role or secret ID|invalid secret id/i.test(output) ? "refused" : output;
  }

  /** Accessors of the role's secret_ids. */
  async accessors(): Promise<string[]> {
    return (await this.sandbox.vault<{ data: { keys: string[] } }>("LIST", `${ROLE}/secret-id`))?.data.keys ?? [];
  }

  async destroy(secret_id_accessor: string): Promise<void> {
    await this.sandbox.vault("POST", `${ROLE}/secret-id-accessor/destroy`, { secret_id_accessor });
  }

  /** Which issue of the secret_id the agent's token came from; undefined while it has none. */
  async issue(): Promise<string | undefined> {
    return (await this.sandbox.docker("exec", "audit-svc-agent", "sh", "/agent/look.sh")).split(" ")[1];
  }

  /** Asserts that the agent is logged in with the secret_id on VM2. */
  async assertCurrent(): Promise<void> {
    assert.equal(await this.issue(), await this.onVolume("cat /credentials/issue"));
  }

  /** Deploys so that a new secret_id is issued. */
  async reissue(): Promise<Ran> {
    return this.sandbox.pulumi(["up", "--yes", "--skip-preview", "--replace", SECRET_ID]);
  }

  /** Issues and delivers a new secret_id and does nothing more, like a deploy that is killed at this point. */
  async deliver(): Promise<void> {
    await this.sandbox.mustPulumi("up", "--yes", "--skip-preview", "--target-replace", SECRET_ID);
  }
}
