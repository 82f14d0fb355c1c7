// Requests to the API server over one shared set of connections: each with a deadline, a 401 answered once with fresh credentials,
// errors as ApiError. It never retries anything else, and never logs.
import { Agent, type Dispatcher, ProxyAgent } from "undici";
import type { Clock } from "../controller/clock.ts";
import { ApiError, apiErrorOf } from "./apiError.ts";
import { type Credentials, type KubeConfigSource, loadKubeConfig } from "./credentials.ts";

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export interface ApiRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  readonly query?: Query;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Of the body; application/json where absent. */
  readonly contentType?: string;
  /** For everything: waiting for a turn, connecting, both attempts, reading. 10 s where absent. */
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface StreamRequest {
  readonly path: string;
  readonly query?: Query;
  /** Ends the stream; there is no deadline. */
  readonly signal: AbortSignal;
}

export interface KubernetesApi {
  readonly namespace: string | undefined;
  /** The parsed body. Throws ApiError, or the reason of the caller's own signal. */
  request(request: ApiRequest): Promise<unknown>;
  /** The body of a watch as it comes. Throws ApiError; reading throws whatever cut the connection. */
  stream(request: StreamRequest): Promise<AsyncIterable<Uint8Array>>;
  close(): Promise<void>;
}

export const patchTypes = {
  merge: "application/merge-patch+json",
  strategic: "application/strategic-merge-patch+json",
} as const;

export const fieldManager = "webfarm-operator";

const defaultDeadlineMs = 10_000;
const credentialsKeptMs = 60_000;
const largestBodyBytes = 64 * 2 ** 20;
/** Requests at one time, streams apart; the others wait their turn. Each takes a connection, and the API server counts them. */
const requestsAtOnce = 32;

export interface ClientOptions {
  readonly source?: KubeConfigSource;
  readonly clock: Clock;
  readonly userAgent: string;
}

export async function createClient({ source = loadKubeConfig(), clock, userAgent }: ClientOptions): Promise<KubernetesApi> {
  const client = new Client(source, clock, userAgent);
  await client.connect();
  return client;
}

interface Connections {
  readonly credentials: Credentials;
  readonly dispatcher: Dispatcher;
  readonly readAtMs: number;
}

class Client implements KubernetesApi {
  readonly namespace: string | undefined;
  readonly #source: KubeConfigSource;
  readonly #clock: Clock;
  readonly #userAgent: string;
  readonly #turns: Turns = new Turns(requestsAtOnce);
  readonly #retired = new Set<Dispatcher>();
  #connections: Connections | undefined;
  #refreshing: Promise<Connections> | undefined;

  constructor(source: KubeConfigSource, clock: Clock, userAgent: string) {
    this.namespace = source.namespace;
    this.#source = source;
    this.#clock = clock;
    this.#userAgent = userAgent;
  }

  /** Reads the credentials, so that a kubeconfig that is wrong fails at the start. Connects to nothing. */
  async connect(): Promise<void> {
    await this.#refresh();
  }

  async request(request: ApiRequest): Promise<unknown> {
    const doing = `${request.method} ${request.path}`;
    const deadlineMs = request.deadlineMs ?? defaultDeadlineMs;
    const expired = new AbortController();
    const timer = this.#clock.after(deadlineMs, () => expired.abort());
    const signal = request.signal === undefined ? expired.signal : AbortSignal.any([request.signal, expired.signal]);
    try {
      return await this.#turns.take(signal, async () => {
        const response = await this.#send({ ...request, signal }, doing);
        return parsed(await readText(response, signal), doing);
      });
    } catch (error) {
      if (request.signal?.aborted) throw request.signal.reason;
      if (expired.signal.aborted)
        throw new ApiError(`Cannot ${doing}: no answer within ${deadlineMs} ms`, { code: 0, reason: "DeadlineExceeded" }, { cause: error });
      throw asApiError(error, doing);
    } finally {
      timer.cancel();
    }
  }

  async stream(request: StreamRequest): Promise<AsyncIterable<Uint8Array>> {
    const doing = `watch ${request.path}`;
    try {
      const response = await this.#send({ method: "GET", ...request }, doing);
      return response.body as AsyncIterable<Uint8Array>;
    } catch (error) {
      if (request.signal.aborted) throw request.signal.reason;
      throw asApiError(error, doing);
    }
  }

  async close(): Promise<void> {
    const open = this.#connections;
    this.#connections = undefined;
    await Promise.all([...this.#retired, ...(open === undefined ? [] : [open.dispatcher])].map((dispatcher) => dispatcher.destroy()));
  }

  /** A response of 2xx, its body unread. A 401 is tried once more: a service account's token rotates. */
  async #send(request: ApiRequest, doing: string): Promise<Dispatcher.ResponseData> {
    const first = await this.#attempt(request);
    if (first.statusCode < 300) return first;
    if (first.statusCode !== 401) throw await this.#errorOf(first, request, doing);
    await first.body.dump();
    this.#source.reload();
    await this.#refresh();
    const second = await this.#attempt(request);
    if (second.statusCode < 300) return second;
    throw await this.#errorOf(second, request, doing);
  }

  async #attempt(request: ApiRequest): Promise<Dispatcher.ResponseData> {
    const { credentials, dispatcher } = await this.#current();
    request.signal?.throwIfAborted();
    const hasBody = request.body !== undefined;
    return dispatcher.request({
      origin: credentials.origin,
      path: credentials.prefix + request.path + queryText(request.query),
      method: request.method,
      headers: {
        ...credentials.headers,
        accept: "application/json",
        "user-agent": this.#userAgent,
        ...(hasBody ? { "content-type": request.contentType ?? "application/json" } : {}),
      },
      body: hasBody ? JSON.stringify(request.body) : null,
      signal: request.signal ?? null,
    });
  }

  async #errorOf(response: Dispatcher.ResponseData, request: ApiRequest, doing: string): Promise<ApiError> {
    const retryAfter = response.headers["retry-after"];
    return apiErrorOf({
      doing,
      code: response.statusCode,
      body: await readText(response, request.signal ?? undefined),
      retryAfter: Array.isArray(retryAfter) ? retryAfter[0] : retryAfter,
      nowMs: this.#clock.now(),
    });
  }

  async #current(): Promise<Connections> {
    const open = this.#connections;
    return open !== undefined && this.#clock.monotonic() - open.readAtMs < credentialsKeptMs ? open : this.#refresh();
  }

  /** One at a time, however many requests ask. */
  #refresh(): Promise<Connections> {
    this.#refreshing ??= this.#reread().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async #reread(): Promise<Connections> {
    const credentials = await this.#source.current();
    const before = this.#connections;
    const isSame = before?.credentials.connectionDigest === credentials.connectionDigest;
    const dispatcher = before !== undefined && isSame ? before.dispatcher : dispatcherFor(credentials);
    this.#connections = { credentials, dispatcher, readAtMs: this.#clock.monotonic() };
    if (before !== undefined && !isSame) this.#retire(before.dispatcher);
    return this.#connections;
  }

  /** Lets what runs on the old connections end by itself; watches do within their timeoutSeconds. */
  #retire(dispatcher: Dispatcher): void {
    this.#retired.add(dispatcher);
    // `close` rejects only when `destroy` came first: then nothing is left to do.
    void dispatcher.close().then(
      () => this.#retired.delete(dispatcher),
      () => this.#retired.delete(dispatcher),
    );
  }
}

type ConnectOptions = NonNullable<ProxyAgent.Options["requestTls"]>;

function dispatcherFor({ proxy, tls }: Credentials): Dispatcher {
  const options = {
    allowH2: false, // A cut HTTP/2 watch leaks its session: https://github.com/defenseunicorns/pepr/issues/1379
    keepAliveTimeout: 30_000,
    headersTimeout: 0, // The deadline and the watchdog decide; undici's own limits would cut quiet watches.
    bodyTimeout: 0,
  };
  if (proxy !== undefined) return new ProxyAgent({ ...options, uri: proxy, requestTls: tls as ConnectOptions });
  return new Agent({ ...options, connect: { ...tls, keepAlive: true, keepAliveInitialDelay: 30_000, timeout: 10_000 } as ConnectOptions });
}

function queryText(query: Query = {}): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) parameters.set(name, String(value));
  return parameters.size === 0 ? "" : `?${parameters.toString()}`;
}

async function readText(response: Dispatcher.ResponseData, signal: AbortSignal | undefined): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    signal?.throwIfAborted();
    bytes += chunk.length;
    if (bytes > largestBodyBytes) throw new Error(`the answer is longer than ${largestBodyBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parsed(text: string, doing: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    // The error quotes the body, which may hold a Secret: it is not kept as the cause.
    throw new ApiError(`Cannot ${doing}: the answer is not JSON`, { code: 0, reason: "NotJson" });
  }
}

function asApiError(error: unknown, doing: string): ApiError {
  if (error instanceof ApiError) return error;
  const text = error instanceof Error ? error.message || (error as NodeJS.ErrnoException).code || error.name : String(error);
  return new ApiError(`Cannot ${doing}: ${text}`, { code: 0, reason: "Unreachable" }, { cause: error });
}

/** Lets so many run at one time; the others wait in order. */
class Turns {
  #free: number;
  readonly #waiting = new Set<() => void>();

  constructor(free: number) {
    this.#free = free;
  }

  async take<T>(signal: AbortSignal, run: () => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    if (this.#free > 0) this.#free -= 1;
    else await this.#wait(signal);
    try {
      return await run();
    } finally {
      this.#pass();
    }
  }

  #wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const go = (): void => {
        this.#waiting.delete(go);
        signal.removeEventListener("abort", leave);
        resolve();
      };
      const leave = (): void => {
        this.#waiting.delete(go);
        reject(signal.reason as Error);
      };
      this.#waiting.add(go);
      signal.addEventListener("abort", leave, { once: true });
    });
  }

  #pass(): void {
    const [next] = this.#waiting;
    if (next === undefined) this.#free += 1;
    else next();
  }
}
