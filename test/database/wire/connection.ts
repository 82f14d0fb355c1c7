// One client from PRELOGIN to its end: hands requests to its session one after the other, attention at once. Knows no SQL.
import type { Socket } from "node:net";
import type { Engine, LoginRequest, ResponsePart, Session, SqlMessage } from "../session.ts";
import { ProtocolError } from "./bytes.ts";
import { type Channel, openChannel, type SecureContexts } from "./channel.ts";
import { formatLoginAnswer, type Login, readLogin } from "./login.ts";
import { DEFAULT_PACKET_SIZE, type Message, MessageSplitter, PACKET_TYPE, toPackets } from "./packets.ts";
import { answerPrelogin, type Encryption, type TlsMode } from "./prelogin.ts";
import { readRequest } from "./requests.ts";
import { formatResponse } from "./responses.ts";
import { doneToken, ENVIRONMENT, environmentBytes, messageToken } from "./tokens.ts";
import { type AbortCause, deferred } from "./waiting.ts";

/** An Engine, or something before it that may also drop the client. */
export interface WireEngine {
  login(request: LoginRequest, client: Client): ReturnType<Engine["login"]>;
}
export interface Client {
  disconnect(): void;
}

export interface ConnectionOptions {
  readonly engine: WireEngine;
  readonly tls: TlsMode;
  readonly contexts: SecureContexts | undefined;
  /** Whether tokens are taken in place of passwords. */
  readonly takesTokens?: boolean;
}

export interface Connection {
  /** Resolves when the socket is closed and the session has ended. */
  readonly closed: Promise<void>;
  destroy(): void;
}

type Stage =
  | { readonly name: "prelogin"; readonly isStrict: boolean }
  | { readonly name: "login"; readonly encryption: Encryption | "strict"; readonly isFederated: boolean }
  | { readonly name: "ready"; readonly session: Session; readonly login: Login }
  | { readonly name: "ended" };

const TLS_HANDSHAKE_BYTE = 0x16;
/** From this class on SQL Server ends the connection with the error. */
const FATAL_CLASS = 20;

export function serveConnection(socket: Socket, options: ConnectionOptions): Connection {
  const { promise: closed, resolve: resolveClosed } = deferred<undefined>();
  const splitter = new MessageSplitter();
  const waiting: Message[] = [];
  let stage: Stage = { name: "prelogin", isStrict: false };
  let running: AbortController | undefined;
  let isAttentionOwed = false;
  let isPumping = false;
  let isFirstByte = true;
  const channel: Channel = openChannel(socket, { data: receive, closed: onClosed });

  function receive(bytes: Buffer): void {
    if (isFirstByte) {
      isFirstByte = false;
      if (bytes[0] === TLS_HANDSHAKE_BYTE && options.contexts !== undefined) {
        stage = { name: "prelogin", isStrict: true };
        channel.startStrictTls(options.contexts.strict, bytes);
        return;
      }
    }
    try {
      for (const message of splitter.push(bytes)) {
        if (message.type === PACKET_TYPE.attention) onAttention();
        else waiting.push(message);
      }
    } catch (error) {
      fail(error);
      return;
    }
    void pump();
  }

  /** Each client message gets one message back: here the attention's own, behind that of the request which it ends. */
  function onAttention(): void {
    if (running === undefined && waiting.length === 0) {
      send(doneToken({ kind: "done", attention: true }));
      return;
    }
    isAttentionOwed = true;
    running?.abort("attention" satisfies AbortCause);
  }

  async function pump(): Promise<void> {
    if (isPumping) return;
    isPumping = true;
    try {
      for (let message = waiting.shift(); message !== undefined; message = waiting.shift()) await accept(message);
    } catch (error) {
      fail(error);
    } finally {
      isPumping = false;
      if (!channel.isOpen) endSession();
    }
  }

  async function accept(message: Message): Promise<void> {
    switch (stage.name) {
      case "prelogin":
        acceptPrelogin(message, stage.isStrict);
        return;
      case "login":
        acceptLogin(message, stage);
        return;
      case "ready":
        await acceptRequest(message, stage);
        return;
      case "ended":
        return;
    }
  }

  function acceptPrelogin(message: Message, isStrict: boolean): void {
    if (message.type !== PACKET_TYPE.prelogin) throw new ProtocolError("The first message is not PRELOGIN");
    const { answer, encryption, isFederated } = answerPrelogin(message.data, isStrict ? "strict" : options.tls, options.takesTokens);
    send(answer);
    if (encryption === "refused") {
      stage = { name: "ended" };
      channel.end();
      return;
    }
    stage = { name: "login", encryption: isStrict ? "strict" : encryption, isFederated };
    if (encryption === "nothing") return;
    if (options.contexts === undefined) throw new Error("TLS was negotiated without a certificate");
    channel.startTls(options.contexts.wrapped);
  }

  function acceptLogin(message: Message, { encryption, isFederated }: Extract<Stage, { name: "login" }>): void {
    if (message.type !== PACKET_TYPE.login7) throw new ProtocolError("LOGIN7 was expected");
    if (encryption === "loginOnly") channel.stopTls();
    const login = readLogin(message.data);
    // MS-TDS 3.3.5.3: the client says whether it has seen FEDAUTHREQUIRED. And a token never travels for everybody to read.
    if (login.echo !== undefined && login.echo !== isFederated) throw new ProtocolError("fFedAuthEcho is not what PRELOGIN said");
    if (login.echo !== undefined && encryption === "nothing") throw new ProtocolError("A token came without encryption");
    const session = openSession(login);
    if (session === undefined) return;
    stage = { name: "ready", session, login };
    send(formatLoginAnswer(login, session.database));
  }

  function openSession(login: Login): Session | undefined {
    const outcome = options.engine.login(login.request, { disconnect: () => channel.destroy() });
    if ("session" in outcome) return outcome.session;
    stage = { name: "ended" };
    send(Buffer.concat([...outcome.refused.map(messageToken), doneToken({ kind: "done", failed: true })]));
    channel.end();
    return undefined;
  }

  async function acceptRequest(message: Message, ready: Extract<Stage, { name: "ready" }>): Promise<void> {
    if (message.ignored) {
      send(doneToken({ kind: "done" }));
      payAttention();
      return;
    }
    let { session } = ready;
    let prefix: Buffer = Buffer.alloc(0);
    if (message.reset) {
      session.close();
      stage = { name: "ended" };
      const fresh = openSession(ready.login);
      if (fresh === undefined) return;
      session = fresh;
      stage = { ...ready, session };
      prefix = environmentBytes(ENVIRONMENT.reset, Buffer.alloc(0), Buffer.alloc(0));
    }
    const request = readRequest(message);
    const parts: readonly ResponsePart[] =
      request.kind === "refused" ? [{ kind: "message", message: request.message }] : await runToEnd(session, request.request);
    send(Buffer.concat([prefix, formatResponse(parts, request.shape)]));
    payAttention();
    if (parts.some((part) => part.kind === "message" && part.message.class >= FATAL_CLASS)) hangUp();
  }

  async function runToEnd(session: Session, request: Parameters<Session["run"]>[0]): Promise<readonly ResponsePart[]> {
    const controller = new AbortController();
    running = controller;
    if (isAttentionOwed) controller.abort("attention" satisfies AbortCause);
    if (!channel.isOpen) controller.abort("disconnected" satisfies AbortCause);
    try {
      return await session.run(request, controller.signal);
    } finally {
      running = undefined;
    }
  }

  function payAttention(): void {
    if (!isAttentionOwed) return;
    isAttentionOwed = false;
    send(doneToken({ kind: "done", attention: true }));
  }

  function send(data: Buffer): void {
    const packetSize = stage.name === "ready" ? stage.login.packetSize : DEFAULT_PACKET_SIZE;
    const spid = stage.name === "ready" ? stage.session.id : 0;
    channel.send(toPackets({ type: PACKET_TYPE.response, data, packetSize, spid }));
  }

  /** Broken bytes, or an engine that threw: the client learns it before the connection ends. */
  function fail(error: unknown): void {
    const isProtocol = error instanceof ProtocolError;
    const text = error instanceof Error ? error.message : String(error);
    const message: SqlMessage = isProtocol
      ? {
          number: 4002,
          state: 1,
          class: FATAL_CLASS,
          line: 1,
          message: `The incoming tabular data stream (TDS) protocol stream is incorrect. ${text}`,
        }
      : { number: 596, state: 1, class: 21, line: 1, message: `The database under test has failed: ${text}` };
    send(Buffer.concat([messageToken(message), doneToken({ kind: "done", failed: true })]));
    hangUp();
  }

  /** What the client still sends is not run. */
  function hangUp(): void {
    waiting.length = 0;
    closeSession();
    channel.end();
  }

  function onClosed(): void {
    waiting.length = 0;
    running?.abort("disconnected" satisfies AbortCause);
    if (!isPumping) endSession();
  }

  function endSession(): void {
    closeSession();
    resolveClosed(undefined);
  }

  function closeSession(): void {
    if (stage.name === "ready") stage.session.close();
    stage = { name: "ended" };
  }

  return { closed, destroy: () => channel.destroy() };
}
