import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import net, { type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

import ssh2, { type Connection, type ServerChannel } from "ssh2";

/** An ssh server on loopback that lets one key in and runs nothing but `docker … system dial-stdio`. */
export interface SshServer {
  /** For the provider's `host`. */
  host: string;
  /** For the provider's `sshOpts`: the key, and the server's key as the only known one. */
  sshOpts: string[];
  /** Commands asked for so far. */
  commands: string[];
  /** TCP connections so far; fewer than commands when ControlMaster shares them. */
  connections(): number;
  /** Ends every connection, as a restart of the machine would. */
  disconnect(): void;
  close(): Promise<void>;
}

function generateKey(file: string): Buffer {
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", file]);
  return readFileSync(file);
}

/** @param socket the engine's socket that dial-stdio is joined to */
export async function startSshServer(socket: string): Promise<SshServer> {
  const directory = mkdtempSync(path.join(tmpdir(), "docker-sshd-"));
  const hostKey = generateKey(path.join(directory, "host"));
  generateKey(path.join(directory, "client"));
  const allowed = ssh2.utils.parseKey(readFileSync(path.join(directory, "client.pub")));
  if (allowed instanceof Error) throw allowed;
  const commands: string[] = [];
  let connections = 0;

  const serve = (channel: ServerChannel, command: string) => {
    commands.push(command);
    if (!/^docker (--host=\S+ )?system dial-stdio$/.test(command)) {
      channel.stderr.write(`${command}: not allowed here\n`);
      channel.exit(1);
      channel.end();
      return;
    }
    const engine = net.connect(socket);
    channel.pipe(engine).pipe(channel);
    engine.on("error", () => channel.close());
    channel.on("close", () => engine.destroy());
  };
  const clients = new Set<Connection>();
  const server = new ssh2.Server({ hostKeys: [hostKey] }, (client) => {
    connections += 1;
    clients.add(client);
    client.on("close", () => clients.delete(client));
    client.on("error", () => client.end());
    client.on("authentication", (attempt) => {
      if (attempt.method !== "publickey" || !attempt.key.data.equals(allowed.getPublicSSH()))
        return attempt.reject(["publickey"]);
      if (
        attempt.signature &&
        attempt.blob &&
        allowed.verify(attempt.blob, attempt.signature, attempt.hashAlgo) !== true
      )
        return attempt.reject();
      attempt.accept();
    });
    client.on("session", (accept) => {
      const session = accept();
      session.on("exec", (acceptExec, _reject, info) => serve(acceptExec(), info.command));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const known = path.join(directory, "known_hosts");
  const hostPublic = readFileSync(path.join(directory, "host.pub")).toString().split(" ").slice(0, 2).join(" ");
  writeFileSync(known, `[127.0.0.1]:${port} ${hostPublic}\n`);
  return {
    host: `ssh://tester@127.0.0.1:${port}`,
    sshOpts: [
      "-F",
      "none",
      "-i",
      path.join(directory, "client"),
      "-o",
      `UserKnownHostsFile=${known}`,
      "-o",
      "BatchMode=yes",
      "-o",
      "IdentitiesOnly=yes",
    ],
    commands,
    connections: () => connections,
    disconnect() {
      for (const client of clients) client.end();
    },
    async close() {
      for (const client of clients) client.end();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
