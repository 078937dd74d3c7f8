import assert from "node:assert/strict";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import * as pulumi from "@pulumi/pulumi";
import { afterEach, beforeEach, describe, it } from "mocha";
import { warnOfBroadCreateRole } from "../../../../components";

const message = (type: string, body: Buffer): Buffer => {
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
};
const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};
const int16 = (value: number): Buffer => int32(value).subarray(2);
const text = (value: string): Buffer => Buffer.from(`${value}\0`);

/** A row of an integer and a boolean, as PostgreSQL's protocol answers a simple query. */
function answer(version: number, createrole: boolean): Buffer {
  const column = (name: string, type: number) =>
    Buffer.concat([text(name), int32(0), int16(0), int32(type), int16(4), int32(-1), int16(0)]);
  const cell = (value: string) => Buffer.concat([int32(value.length), Buffer.from(value)]);
  return Buffer.concat([
    message("T", Buffer.concat([int16(2), column("version", 23), column("createrole", 16)])),
    message("D", Buffer.concat([int16(2), cell(String(version)), cell(createrole ? "t" : "f")])),
    message("C", text("SELECT 1")),
    message("Z", Buffer.from("I")),
  ]);
}

describe("the login that creates roles", () => {
  let server: Server;
  let asked: string[];
  let warnings: string[];
  const { warn } = pulumi.log;
  const { isDryRun } = pulumi.runtime;
  const former = process.env.PGPASSWORD;

  beforeEach(() => {
    asked = [];
    warnings = [];
    Object.assign(pulumi.log, { warn: (line: string) => void warnings.push(line) });
    process.env.PGPASSWORD = "of-the-deployer";
  });
  afterEach(() => {
    Object.assign(pulumi.log, { warn });
    Object.assign(pulumi.runtime, { isDryRun });
    server.close();
    if (former === undefined) delete process.env.PGPASSWORD;
    else process.env.PGPASSWORD = former;
  });

  /** A fake PostgreSQL of this version whose login may or may not create roles; undefined = it refuses the login. */
  async function of(version: number, createrole: boolean | undefined) {
    const converse = (socket: Socket) => {
      let begun = false;
      socket.on("error", () => undefined);
      socket.on("data", (chunk) => {
        asked.push(chunk.toString());
        if (begun)
          return chunk[0] === "Q".charCodeAt(0) ? socket.write(answer(version, createrole === true)) : undefined;
        begun = true;
        if (createrole === undefined)
          return socket.end(message("E", Buffer.from("SFATAL\0C28P01\0Mpassword authentication failed\0\0")));
        return socket.write(Buffer.concat([message("R", int32(0)), message("Z", Buffer.from("I"))]));
      });
    };
    server = createServer(converse);
    await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
    const { port } = server.address() as AddressInfo;
    await warnOfBroadCreateRole({ host: "127.0.0.1", port, username: "deployer", sslmode: "disable" });
    return port;
  }

  it("causes a warning on PostgreSQL 15 and older, with its meaning and the cure", async () => {
    const port = await of(150_014, true);
    assert.deepEqual(warnings, [
      `PostgreSQL at 127.0.0.1:${port} is version 15, in which CREATEROLE covers every role that is not a superuser: whoever has the login deployer can change the passwords of other programs' roles on that server, and make itself a member of pg_execute_server_program, which runs commands on the server's host. Upgrade it to 16 or newer, or give this service a server of its own (docs/security.md, "Not defended").`,
    ]);
    assert.match(asked[0] ?? "", /user\0deployer\0/);
  });

  it("causes no warning on 16 and newer, nor if it may not create roles", async () => {
    await of(160_000, true);
    server.close();
    await of(150_014, false);
    assert.deepEqual(warnings, []);
    assert.ok(asked.some((line) => line.includes("server_version_num")));
  });

  it("is left to the plugin if it is refused, or no server answers", async () => {
    const port = await of(150_014, undefined);
    server.close();
    await new Promise((closed) => server.once("close", closed));
    await warnOfBroadCreateRole({ host: "127.0.0.1", port, username: "deployer", sslmode: "verify-full" });
    assert.deepEqual(warnings, []);
  });

  it("is not checked in a preview, nor without a password", async () => {
    Object.assign(pulumi.runtime, { isDryRun: () => true });
    await of(150_014, true);
    server.close();
    Object.assign(pulumi.runtime, { isDryRun });
    delete process.env.PGPASSWORD;
    await of(150_014, true);
    assert.deepEqual([warnings, asked], [[], []]);
  });
});
