// A way to a server that a test opens and closes: what a process that loses its network sees.

import { connect, createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";

export interface Way extends AsyncDisposable {
  readonly url: string;
  readonly open: () => Promise<void>;
  /** Cuts what is connected; new connections are refused. */
  readonly close: () => Promise<void>;
}

/** A port of its own that leads to an HTTPS server, once it is opened. */
export async function wayTo(url: string): Promise<Way> {
  const target = new URL(url);
  const sockets = new Set<Socket>();
  const carry = (from: Socket): void => {
    const to = connect(Number(target.port), target.hostname);
    for (const [one, other] of [
      [from, to],
      [to, from],
    ] as const) {
      sockets.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  };
  let server: Server = createServer(carry);
  const listen = (port: number): Promise<void> =>
    new Promise((resolve, reject) => server.once("error", reject).listen(port, "127.0.0.1", resolve));
  await listen(0);
  const { port } = server.address() as AddressInfo;
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
  await close();
  return {
    url: `https://127.0.0.1:${port}`,
    open: () => {
      server = createServer(carry);
      return listen(port);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
