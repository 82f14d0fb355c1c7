// A bare client of the API server for the bench: kept-alive connections, JSON, one watch a call. Nothing is retried: what is measured
// against it must not wait behind it.

import { readFileSync } from "node:fs";
import { Agent, request } from "undici";
import { caPath } from "../cluster/components.ts";

export interface ApiTarget {
  readonly url: string;
  /** The cluster's: where its certificate is. */
  readonly directory: string;
  readonly token: string;
}

export interface WatchEvent {
  readonly type: string;
  readonly object: RawPod;
}

/** What the bench looks at in a pod. */
export interface RawPod {
  readonly metadata: { readonly name: string; readonly uid: string; readonly resourceVersion: string };
  readonly spec: { readonly nodeName?: string };
  readonly status: {
    readonly phase?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}

export interface Call {
  readonly method: "GET" | "POST" | "PATCH" | "DELETE";
  readonly path: string;
  readonly body?: unknown;
  /** Default application/json; a PATCH is a merge patch. */
  readonly contentType?: string;
}

export interface Api {
  /** Resolves to the body as text; rejects with the server's where the status is not 2xx. */
  readonly text: (call: Call) => Promise<string>;
  readonly json: (call: Call) => Promise<unknown>;
  /** Resolves when the watch is open; `onEvent` may not throw. Rejects, or ends the process by an unhandled rejection, never silently. */
  readonly watch: (path: string, onEvent: (event: WatchEvent) => void) => Promise<void>;
  readonly close: () => Promise<void>;
}

export function openApi({ url, directory, token }: ApiTarget): Api {
  const dispatcher = new Agent({
    connections: 16,
    allowH2: false,
    bodyTimeout: 0,
    headersTimeout: 60_000,
    connect: { ca: readFileSync(caPath(directory)) },
  });
  const authorization = `Bearer ${token}`;
  let isClosed = false;

  async function text({ method, path, body, contentType }: Call): Promise<string> {
    const answer = await request(new URL(path, url), {
      dispatcher,
      method,
      headers: { authorization, "content-type": contentType ?? (method === "PATCH" ? "application/merge-patch+json" : "application/json") },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const content = await answer.body.text();
    if (answer.statusCode < 200 || answer.statusCode > 299) throw new Error(`Cannot ${method} ${path}: ${answer.statusCode} ${content}`);
    return content;
  }

  async function watch(path: string, onEvent: (event: WatchEvent) => void): Promise<void> {
    const { body } = await request(new URL(path, url), { dispatcher, headers: { authorization } });
    const read = async (): Promise<void> => {
      let rest = "";
      body.setEncoding("utf8");
      for await (const chunk of body) {
        const lines = (rest + String(chunk)).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) onEvent(JSON.parse(line) as WatchEvent);
      }
      throw new Error(`The watch of ${path} has ended`);
    };
    read().catch((error: unknown) => {
      if (!isClosed) throw error;
    });
  }

  return {
    text,
    json: async (call) => JSON.parse(await text(call)) as unknown,
    watch,
    close: async () => {
      isClosed = true;
      await dispatcher.destroy();
    },
  };
}
