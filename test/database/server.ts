// The database server for tests and demo: listens on the loopback address, speaks TDS and TLS, and hands each login to an engine
// behind the fault script. Knows no SQL.
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { createSecureContext } from "node:tls";
import { type Certificate, makeCertificates } from "./certificates.ts";
import { createFaults, type Faults } from "./faults.ts";
import { type LoginOfToken, withIdentities } from "./identities.ts";
import type { Engine } from "./session.ts";
import type { SecureContexts } from "./wire/channel.ts";
import { type Connection, serveConnection } from "./wire/connection.ts";
import type { TlsMode } from "./wire/prelogin.ts";
import { deferred } from "./wire/waiting.ts";

export interface DatabaseServerOptions {
  readonly engine: Engine;
  /** 0 or absent: any free port. */
  readonly port?: number;
  /** Default: supported. `off`: encryption is refused; `required`: clients that do not encrypt are. */
  readonly tls?: TlsMode;
  /** Default: one that is made for this server; `certificateAuthority` verifies it. */
  readonly certificate?: Certificate;
  /** Who logs in with which token of Microsoft Entra. Absent: tokens are refused. */
  readonly identities?: LoginOfToken;
}

export interface DatabaseServer {
  readonly host: "127.0.0.1";
  readonly port: number;
  /** PEM of the authority that issued the certificate; absent if the certificate was given. */
  readonly certificateAuthority: string | undefined;
  readonly faults: Faults;
  /** Sockets that are open now. */
  connections(): number;
  /** Ends every connection and session; statements that are still held never run. */
  close(): Promise<void>;
}

const HOST = "127.0.0.1";

export async function startDatabaseServer(options: DatabaseServerOptions): Promise<DatabaseServer> {
  const tls = options.tls ?? "supported";
  const made = options.certificate === undefined && tls !== "off" ? makeCertificates() : undefined;
  const certificate = options.certificate ?? made?.server;
  const contexts = tls === "off" || certificate === undefined ? undefined : secureContexts(certificate);
  const sockets = new Set<Socket>();
  const connections = new Set<Connection>();
  let port = options.port ?? 0;
  let listener: Server | undefined;

  const { identities } = options;
  const script = createFaults(withIdentities(options.engine, identities ?? ((): undefined => undefined)), { stopListening, listen });

  async function listen(): Promise<void> {
    if (listener !== undefined) return;
    const server = createServer({ noDelay: true }, accept);
    listener = server;
    const { promise, resolve, reject } = deferred<undefined>();
    server.once("error", reject);
    server.listen(port, HOST, () => resolve(undefined));
    await promise;
    port = (server.address() as AddressInfo).port;
  }

  // Not awaited: a listener counts as closed only when its last connection is, but it stops listening at once.
  function stopListening(): void {
    listener?.close();
    listener = undefined;
  }

  function accept(socket: Socket): void {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    if (!script.admit()) {
      socket.on("error", () => socket.destroy());
      socket.resume();
      return;
    }
    const connection = serveConnection(socket, { engine: script.engine, tls, contexts, takesTokens: identities !== undefined });
    connections.add(connection);
    void connection.closed.then(() => connections.delete(connection));
  }

  await listen();
  return {
    host: HOST,
    get port() {
      return port;
    },
    certificateAuthority: made?.authority,
    faults: script.faults,
    connections: () => sockets.size,
    async close() {
      stopListening();
      script.abandon();
      for (const socket of sockets) socket.destroy();
      await Promise.all([...connections].map((connection) => connection.closed));
    },
  };
}

function secureContexts(certificate: Certificate): SecureContexts {
  const material = { cert: certificate.certificate, key: certificate.key };
  return { wrapped: createSecureContext({ ...material, maxVersion: "TLSv1.2" }), strict: createSecureContext(material) };
}
