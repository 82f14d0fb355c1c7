// Hears of every change of the pods of a namespace, without a gap: a list, then a watch that goes on from the last version it heard of when
// the API server ends it, as it does with a listener who is slow for a moment. It forgets and repeats nothing, and gives up loudly.

import { readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import type { ClientRequest } from "node:http";
import type { ApiAccess } from "../cluster/apiRequest.ts";
import { apiJson } from "../cluster/apiRequest.ts";
import { caPath } from "../cluster/components.ts";
import type { PodObject } from "./podLives.ts";

export interface PodListener {
  readonly there: (pod: PodObject) => void;
  /** Its last state. */
  readonly gone: (pod: PodObject) => void;
  /** From here on nothing is heard. */
  readonly failed: (error: unknown) => void;
}

type Versioned = PodObject & { readonly metadata: { readonly resourceVersion: string } };
interface WatchEvent {
  readonly type: string;
  readonly object: Versioned;
}

/** Resolves when the list was heard; the function that it resolves to ends the watch. */
export async function watchPods(access: ApiAccess, namespace: string, listener: PodListener): Promise<() => void> {
  const path = `/api/v1/namespaces/${namespace}/pods`;
  const list = (await apiJson(access, { method: "GET", path })) as { metadata: { resourceVersion: string }; items: PodObject[] };
  list.items.forEach(listener.there);
  let version = list.metadata.resourceVersion;
  let outgoing: ClientRequest | undefined;
  let isClosed = false;

  function hear({ type, object }: WatchEvent): void {
    if (type === "ERROR") throw new Error(`The watch of ${path} cannot go on: ${JSON.stringify(object)}`);
    version = object.metadata.resourceVersion;
    if (type === "DELETED") listener.gone(object);
    else if (type !== "BOOKMARK") listener.there(object);
  }

  async function follow(): Promise<void> {
    while (!isClosed) {
      const [sent, answered] = openStream(access, `${path}?watch=true&allowWatchBookmarks=true&resourceVersion=${version}`);
      outgoing = sent;
      const stream = await answered;
      if (stream.statusCode !== 200) throw new Error(`Cannot watch ${path}: ${stream.statusCode}`);
      let rest = "";
      for await (const chunk of stream.setEncoding("utf8")) {
        const lines = (rest + String(chunk)).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) hear(JSON.parse(line) as WatchEvent);
      }
    }
  }

  follow().catch((error: unknown) => {
    if (!isClosed) listener.failed(error);
  });
  return () => {
    isClosed = true;
    outgoing?.destroy();
  };
}

function openStream({ url, directory, token }: ApiAccess, path: string): readonly [ClientRequest, Promise<IncomingMessage>] {
  const options = { headers: { authorization: `Bearer ${token}` }, ca: readFileSync(caPath(directory)), agent: false } as const;
  const sent = request(new URL(path, url), options);
  const answered = new Promise<IncomingMessage>((resolve, reject) => sent.once("response", resolve).once("error", reject));
  sent.end();
  return [sent, answered];
}
