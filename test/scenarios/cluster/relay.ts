// A wire between one operator and the API server that can fall silent: nothing is refused and nothing is answered, as behind a dead link.
// What was sent meanwhile arrives when it speaks again. It reads nothing of what it carries.

import { createServer, connect } from "node:net";
import type { AddressInfo, Socket } from "node:net";

export interface Relay {
  readonly port: number;
  readonly fallSilent: () => void;
  readonly speak: () => void;
  readonly close: () => Promise<void>;
}

/** Resolves when it listens on 127.0.0.1. */
export async function startRelay(target: { readonly host: string; readonly port: number }): Promise<Relay> {
  const sockets = new Set<Socket>();
  let isSilent = false;

  function carry(from: Socket, to: Socket): void {
    sockets.add(from);
    if (isSilent) from.pause();
    from.on("data", (chunk) => to.write(chunk));
    from.on("error", () => to.destroy()); // the other end sees it as an end
    from.on("close", () => {
      sockets.delete(from);
      to.destroy();
    });
  }

  const server = createServer((incoming) => {
    const outgoing = connect(target);
    carry(incoming, outgoing);
    carry(outgoing, incoming);
    if (isSilent) for (const socket of [incoming, outgoing]) socket.pause();
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    fallSilent: () => {
      isSilent = true;
      for (const socket of sockets) socket.pause();
    },
    speak: () => {
      isSilent = false;
      for (const socket of sockets) socket.resume();
    },
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
