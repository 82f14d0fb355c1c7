// The URL that a pod's row must have: in versions 6 to 8 whoever changes content calls the other servers under it. It is made from the
// member's template, and refused with the rule that it breaks; where the table has no ServerURL there is none.

import type { ClaimedPod } from "./desired.ts";
import type { Observation } from "./observation.ts";
import type { ServerView } from "./plan.ts";
import { renderUrl } from "./serverName.ts";
import { claimView } from "./views.ts";

export type ServerUrl =
  | { readonly kind: "none" } // the table has no column for it
  | { readonly kind: "url"; readonly url: string }
  /** Until the pod has an IP. */
  | { readonly kind: "waits" }
  /** `message`: the rule that it breaks, for a person. */
  | { readonly kind: "invalid"; readonly message: string };

const noUrl: ServerUrl = { kind: "none" };

/** Characters that ServerURL holds. */
const longestUrl = 2_000;

export function serverUrl({ pod, member }: Pick<ClaimedPod, "pod" | "member">, { table }: Pick<Observation, "table">): ServerUrl {
  if (table.kind !== "read" || !table.facts.hasUrl) return noUrl;
  const rendered = renderUrl(member.url, pod);
  if (rendered.ok === "waits") return { kind: "waits" };
  if (!rendered.ok) return { kind: "invalid", message: `url ${member.url}: ${rendered.message}` };
  const problem = urlProblem(rendered.value);
  return problem === undefined ? { kind: "url", url: rendered.value } : { kind: "invalid", message: `url ${member.url}: ${problem}` };
}

/** Why a text is no URL of a server; undefined when it is one. */
export function urlProblem(url: string): string | undefined {
  if (url.length > longestUrl) return `a server's URL has at most ${longestUrl} characters, this one has ${url.length}`;
  const shown = url.slice(0, 120);
  if (!/^https?:\/\//i.test(url)) return `"${shown}" does not begin with http:// or https://`;
  if (/\s/.test(url) || !URL.canParse(url)) return `"${shown}" is no URL`;
  return undefined;
}

/** For what is written: the URL where there is one. */
export const urlPart = (found: ServerUrl): { readonly url?: string } => (found.kind === "url" ? { url: found.url } : {});

/** Why a row cannot be written, or given to the pod, because of its URL; undefined when it can. */
export function urlObstacle(claim: ClaimedPod, name: string, found: ServerUrl): ServerView | undefined {
  switch (found.kind) {
    case "none":
    case "url":
      return undefined;
    case "waits":
      return claimView(claim, name, "Pending", "AwaitingIP", "The server's URL needs the pod's IP address, which it does not have yet.");
    case "invalid":
      return claimView(claim, name, "Conflict", "InvalidUrl", found.message);
  }
}
