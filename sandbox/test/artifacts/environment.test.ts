import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { UserError } from "../../../offline/lib/user-error.js";
import { pastProxies, requireOpenVault } from "../../src/environment.js";

describe("make env", () => {
  let server: Server | undefined;
  afterEach(() => void server?.close());

  /** Answers as a Vault in that state does. */
  async function vault(sealed: boolean): Promise<string> {
    const listening = createServer((_request, response) => {
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ type: "shamir", initialized: true, sealed, t: 1, n: 1, progress: 0 }));
    });
    server = listening;
    await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(listening.address() as AddressInfo).port}`;
  }

  it("goes on with an unsealed Vault", async () => {
    await requireOpenVault(await vault(false));
  });

  it("says what to do when Vault is sealed", async () => {
    const address = await vault(true);
    await assert.rejects(
      requireOpenVault(address),
      (error) => error instanceof UserError && /Vault is sealed.*Run `make up`/.test(error.message),
    );
  });

  it("says what to do when Vault is away", async () => {
    const address = await vault(false);
    await new Promise((resolve) => server?.close(resolve));
    await assert.rejects(
      requireOpenVault(address),
      (error) => error instanceof UserError && error.message.includes(`does not answer at ${address}. Run \`make up\``),
    );
  });

  it("has the machine's proxy left out for the sandbox, and for what it was left out for", () => {
    assert.deepEqual(pastProxies({ PATH: "/bin" }), {});
    const HTTP_PROXY = "http://proxy:3128";
    assert.deepEqual(pastProxies({ HTTP_PROXY }), { NO_PROXY: "127.0.0.1", no_proxy: "127.0.0.1" });
    const both = { NO_PROXY: "internal,127.0.0.1", no_proxy: "internal,127.0.0.1" };
    assert.deepEqual(pastProxies({ HTTP_PROXY, no_proxy: "internal" }), both);
    assert.deepEqual(pastProxies({ HTTP_PROXY, ...both }), both);
  });
});
