// Serves /livez, /readyz and /metrics over HTTP. It says what it is told and decides nothing; it never shows more than reasons and metrics.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface HealthOptions {
  /** Host undefined: all addresses. Port 0: any free one. */
  readonly address: { readonly host: string | undefined; readonly port: number };
  /** Why the process should be restarted; empty: it lives. */
  readonly notLive: () => readonly string[];
  /** Why it is not ready; empty: it is. */
  readonly notReady: () => readonly string[];
  readonly metrics: { readonly contentType: string; text(): Promise<string> };
  /** A request that could not be answered; the client got 500. */
  readonly onError: (error: Error) => void;
}

export interface Health {
  readonly address: AddressInfo;
  /** Stops listening, cuts what is still connected, and resolves when all is gone. */
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/** Rejects when the address cannot be listened on. */
export async function serveHealth(options: HealthOptions): Promise<Health> {
  const { host, port } = options.address;
  const server = createServer((request, response) => void respond(options, request, response));
  server.requestTimeout = 10_000;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) => reject(new Error(`Cannot listen on ${host ?? ""}:${port}`, { cause })));
    server.listen({ port, ...(host === undefined ? {} : { host }) }, resolve);
  });
  return {
    address: server.address() as AddressInfo,
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()));
        // Not only the idle ones: a connection that has not asked anything yet does not count as idle and would keep the process.
        server.closeAllConnections();
      }),
  };
}

async function respond(options: HealthOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  let answer: Answer;
  try {
    answer = await answerTo(options, request);
  } catch (error) {
    options.onError(new Error(`Cannot answer ${request.url ?? "a request"}`, { cause: error }));
    answer = plain(500, "internal error");
  }
  response.writeHead(answer.status, {
    "content-type": answer.type,
    "cache-control": "no-store",
    "content-length": Buffer.byteLength(answer.body),
  });
  response.end(request.method === "HEAD" ? undefined : answer.body);
}

async function answerTo({ notLive, notReady, metrics }: HealthOptions, request: IncomingMessage): Promise<Answer> {
  const path = (request.url ?? "").replace(/\?.*$/, "");
  const known = ["/livez", "/readyz", "/metrics"];
  if (!known.includes(path)) return plain(404, "not found");
  if (request.method !== "GET" && request.method !== "HEAD") return plain(405, "method not allowed");
  switch (path) {
    case "/livez":
      return verdict(notLive());
    case "/readyz":
      return verdict(notReady());
    default:
      return { status: 200, type: metrics.contentType, body: await metrics.text() };
  }
}

function verdict(reasons: readonly string[]): Answer {
  return reasons.length === 0 ? plain(200, "ok") : plain(503, reasons.join("\n"));
}

function plain(status: number, text: string): Answer {
  return { status, type: "text/plain; charset=utf-8", body: `${text}\n` };
}
