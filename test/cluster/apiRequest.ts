// One bare JSON request to the API server of a test cluster. It has no retries and no types: product code has its own client.
import { readFileSync } from "node:fs";
import { request } from "node:https";
import { caPath } from "./components.ts";

export interface ApiAccess {
  readonly url: string;
  readonly directory: string;
  readonly token: string;
}

export interface ApiAnswer {
  readonly status: number;
  readonly text: string;
}

/** No answer at all: a busy machine takes its time. */
const timeoutMs = 60_000;

/** Rejects only where no answer came; a refusal is an answer. */
export async function apiRequest(access: ApiAccess, call: { method: "GET" | "POST"; path: string; body?: unknown }): Promise<ApiAnswer> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${access.token}`, "content-type": "application/json" };
    const options = { method: call.method, headers, ca: readFileSync(caPath(access.directory)), agent: false, timeout: timeoutMs };
    const outgoing = request(new URL(call.path, access.url), options, (incoming) => {
      let text = "";
      incoming.setEncoding("utf8");
      incoming.on("data", (chunk: string) => {
        text += chunk;
      });
      incoming.on("error", reject);
      incoming.on("end", () => resolve({ status: incoming.statusCode ?? 0, text }));
    });
    outgoing.on("timeout", () => outgoing.destroy(new Error(`No answer to ${call.method} ${call.path} in ${timeoutMs} ms`)));
    outgoing.on("error", reject);
    outgoing.end(call.body === undefined ? undefined : JSON.stringify(call.body));
  });
}

/** The decoded body; rejects with the server's message where the status is not 2xx. */
export async function apiJson(access: ApiAccess, call: { method: "GET" | "POST"; path: string; body?: unknown }): Promise<unknown> {
  const answer = await apiRequest(access, call);
  if (answer.status < 200 || answer.status > 299) throw new Error(`Cannot ${call.method} ${call.path}: ${answer.status} ${answer.text}`);
  return JSON.parse(answer.text);
}
