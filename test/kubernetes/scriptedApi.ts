// An API server that answers what the test tells it, request by request: `next` waits for a request, and the test plays the server's part.
// It knows nothing of Kubernetes but the form of a Status and of a watch event.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Clock } from "../../operator/controller/clock.ts";
import type { Logger } from "../../operator/controller/logger.ts";
import { createClient, type KubernetesApi } from "../../operator/kubernetes/client.ts";
import { kubeConfigFromText } from "../../operator/kubernetes/credentials.ts";
import type { ReflectorMetrics } from "../../operator/kubernetes/reflector.ts";

export class Exchange {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
  readonly #response: ServerResponse;
  /** Resolves when the client has gone, or the answer has ended. */
  readonly closed: Promise<void>;

  constructor(request: IncomingMessage, body: string, response: ServerResponse) {
    const url = new URL(request.url ?? "/", "http://server");
    this.method = request.method ?? "";
    this.path = url.pathname;
    this.query = url.searchParams;
    this.headers = request.headers;
    this.body = body;
    this.#response = response;
    this.closed = new Promise((resolve) => response.on("close", resolve));
  }

  get isWatch(): boolean {
    return this.query.get("watch") === "true";
  }

  get isWatchList(): boolean {
    return this.query.get("sendInitialEvents") === "true";
  }

  json(body: unknown, code = 200, headers: Record<string, string> = {}): void {
    this.text(JSON.stringify(body), code, { "content-type": "application/json", ...headers });
  }

  text(body: string, code = 200, headers: Record<string, string> = {}): void {
    this.#response.writeHead(code, headers).end(body);
  }

  status(code: number, reason: string, more: { message?: string; details?: unknown; headers?: Record<string, string> } = {}): void {
    this.json(statusOf(code, reason, more), code, more.headers);
  }

  /** Answers 200 and leaves the stream open. */
  open(): this {
    this.#response.writeHead(200, { "content-type": "application/json" }).flushHeaders();
    return this;
  }

  event(type: string, object: unknown): this {
    return this.bytes(`${JSON.stringify({ type, object })}\n`);
  }

  bookmark(version: string, ends?: "ends initial"): this {
    const annotations = ends === undefined ? {} : { "k8s.io/initial-events-end": "true" };
    return this.event("BOOKMARK", { kind: "Pod", metadata: { resourceVersion: version, annotations } });
  }

  bytes(bytes: string | Uint8Array): this {
    this.#response.write(bytes);
    return this;
  }

  end(): void {
    this.#response.end();
  }

  /** As when the connection is lost. */
  cut(): void {
    this.#response.destroy();
  }
}

export function statusOf(code: number, reason: string, more: { message?: string; details?: unknown } = {}): unknown {
  return {
    kind: "Status",
    apiVersion: "v1",
    status: "Failure",
    message: more.message ?? `it is ${reason}`,
    reason,
    details: more.details,
    code,
  };
}

export class ScriptedApi {
  readonly #server = createServer((request, response) => void this.#arrive(request, response));
  readonly #sockets = new Set<Socket>();
  readonly #arrived: Exchange[] = [];
  readonly #waiting: ((exchange: Exchange) => void)[] = [];

  /** Connections since the start. */
  accepted = 0;

  static async start(): Promise<ScriptedApi> {
    const api = new ScriptedApi();
    api.#server.on("connection", (socket: Socket) => {
      api.accepted += 1;
      api.#sockets.add(socket);
      socket.on("close", () => api.#sockets.delete(socket));
    });
    await new Promise<void>((resolve) => api.#server.listen(0, "127.0.0.1", resolve));
    return api;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /** Requests that came and were not taken by `next`. */
  get untaken(): number {
    return this.#arrived.length;
  }

  kubeconfig(token = "first-token"): string {
    return JSON.stringify({
      clusters: [{ name: "scripted", cluster: { server: this.url, "insecure-skip-tls-verify": true } }],
      users: [{ name: "tester", user: { token } }],
      contexts: [{ name: "it", context: { cluster: "scripted", user: "tester", namespace: "operators" } }],
      "current-context": "it",
    });
  }

  client(clock: Clock): Promise<KubernetesApi> {
    return createClient({ source: kubeConfigFromText(this.kubeconfig()), clock, userAgent: "webfarm-operator/test" });
  }

  next(): Promise<Exchange> {
    const arrived = this.#arrived.shift();
    return arrived === undefined ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve(arrived);
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async #arrive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const exchange = new Exchange(request, Buffer.concat(chunks).toString("utf8"), response);
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#arrived.push(exchange);
    else waiting(exchange);
  }
}

/** Waits for what is bound to become true; jest's timeout is the limit. */
export async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setImmediate(resolve));
}

export const quiet: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => quiet,
};

/** Remembers what it was told, in words. */
export class RecordedMetrics implements ReflectorMetrics {
  readonly lists: string[] = [];
  readonly ends: string[] = [];
  rewinds = 0;
  heardCount = 0;

  listed(_resource: string, how: "watchList" | "paged"): void {
    this.lists.push(how);
  }
  heard(): void {
    this.heardCount += 1;
  }
  ended(_resource: string, reason: string): void {
    this.ends.push(reason);
  }
  rewound(): void {
    this.rewinds += 1;
  }
}

export interface RawPod {
  readonly name: string;
  readonly uid?: string;
  readonly version?: string;
  readonly phase?: string;
  readonly node?: string;
  readonly labels?: Record<string, string>;
  readonly metadata?: object;
  readonly spec?: object;
  readonly status?: object;
}

/** A pod as the API server sends it, with what the test is about. */
export function rawPod({
  name,
  uid = `uid-${name}`,
  version = "1",
  phase = "Running",
  node = "node-1",
  labels = { app: "shop" },
  metadata,
  spec,
  status,
}: RawPod): unknown {
  return {
    kind: "Pod",
    apiVersion: "v1",
    metadata: { name, namespace: "shop", uid, resourceVersion: version, labels, creationTimestamp: "2026-01-01T00:00:00Z", ...metadata },
    spec: { nodeName: node, containers: [{ name: "web" }], ...spec },
    status: { phase, containerStatuses: [], ...status },
  };
}

export function listOf(version: string, items: readonly unknown[], token?: string): unknown {
  return {
    kind: "PodList",
    apiVersion: "v1",
    metadata: { resourceVersion: version, ...(token === undefined ? {} : { continue: token }) },
    items,
  };
}
