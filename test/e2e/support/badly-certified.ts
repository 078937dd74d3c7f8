import { createServer as createHttps } from "node:https";
import { createServer as createTcp, type AddressInfo, type Server } from "node:net";
import { TLSSocket } from "node:tls";

/** A server's certificate and its key, as PEM. */
interface Certificate {
  cert: string;
  key: string;
}
interface Started {
  port: number;
  close: () => void;
}

/** A server on this machine that speaks TLS with this certificate, and has nothing to say. */
export const httpsWith = (certificate: Certificate): Promise<Started> => started(createHttps(certificate));

/** The same as PostgreSQL does it: TLS begins once a client has asked for it. */
export const postgresqlWith = (certificate: Certificate): Promise<Started> =>
  started(
    createTcp((socket) => {
      socket.on("error", () => undefined);
      socket.once("data", () => {
        socket.write("S");
        new TLSSocket(socket, { isServer: true, ...certificate }).on("error", () => undefined);
      });
    }),
  );

async function started(server: Server): Promise<Started> {
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return { port: (server.address() as AddressInfo).port, close: () => server.close() };
}
