import type { IncomingMessage, Server } from "node:http";
import type { Socket } from "node:net";

/**
 * Follows a server's connections, so that a stop waits for answers only. The function that it returns closes every
 * connection that owes none: no request is being answered on it that has arrived in full. Node's own
 * closeIdleConnections() spares those that have sent nothing yet, half a header or half a body, and close() would wait
 * for them until the grace period ends.
 */
export function followSockets(server: Server): () => void {
  // By connection, because a response that waits behind another one is not told when the connection breaks.
  const running = new Map<Socket, Set<IncomingMessage>>();
  server.on("connection", (socket: Socket) => {
    running.set(socket, new Set());
    socket.once("close", () => running.delete(socket));
  });
  server.on("request", (request, response) => {
    const requests = running.get(request.socket);
    requests?.add(request);
    response.once("close", () => requests?.delete(request));
  });
  return () => {
    for (const [socket, requests] of running) if (![...requests].some(({ complete }) => complete)) socket.destroy();
  };
}
