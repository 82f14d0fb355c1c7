// What a Then line of a scenario may say. Only the words: how each is looked up is the business of who runs the scenario.

export type Verb = "inserted" | "marked" | "removed";

/** Where it is looked up, unless in cluster `main` and database `main`, as steps say it. */
interface Place {
  readonly cluster?: string;
  readonly database?: string;
}

export type Expectation = Said & Place;

type Said =
  /** All rows of the table, ours and others', by name, in any order. */
  | { readonly kind: "rows"; readonly names: readonly string[] }
  /** The row carries the mark of the (newest) pod of that name. */
  | { readonly kind: "rowOf"; readonly row: string; readonly pod: string }
  /** The row is as it was when the Given lines were done. */
  | { readonly kind: "rowUnchanged"; readonly row: string }
  | { readonly kind: "gate"; readonly pod: string; readonly reason: string }
  | { readonly kind: "gateClosed"; readonly pod: string }
  | { readonly kind: "condition"; readonly type: string; readonly status: string; readonly reason: string; readonly farm?: string }
  | { readonly kind: "server"; readonly name: string; readonly state: string; readonly reason: string; readonly farm?: string }
  /** No row or pod of this name is in the status. */
  | { readonly kind: "notListed"; readonly name: string; readonly farm?: string }
  /** What the status says that is withheld (`status.plan`). */
  | { readonly kind: "plan"; readonly farm: string; readonly creates: number; readonly updates: number; readonly removals: number }
  /** Every committed change of this operator since the first When behind the last Then. */
  | { readonly kind: "deeds"; readonly operator: string; readonly deeds: Readonly<Record<Verb, readonly string[]>> }
  | { readonly kind: "nothingDone" }
  | { readonly kind: "farmGone" | "farmThere"; readonly farm: string }
  /** Told by any operator since the first When behind the last Then. */
  | { readonly kind: "event" | "noEvent"; readonly reason: string }
  /** Since the beginning: rows removed whose process had outlived the wait of promise 3. */
  | { readonly kind: "outlived"; readonly count: number };

type Reader = (...found: readonly string[]) => Said;

const list = (text: string): readonly string[] => text.split(/, | and /).filter((one) => one !== "");

const readers: readonly (readonly [RegExp, Reader])[] = [
  [/^rows are (.+)$/, (names = "") => ({ kind: "rows", names: list(names) })],
  [/^there are no rows$/, () => ({ kind: "rows", names: [] })],
  [/^row (\S+) is of pod (\S+)$/, (row = "", pod = "") => ({ kind: "rowOf", row, pod })],
  [/^row (\S+) is as it was$/, (row = "") => ({ kind: "rowUnchanged", row })],
  [/^gate of (\S+) is open: (\S+)$/, (pod = "", reason = "") => ({ kind: "gate", pod, reason })],
  [/^gate of (\S+) is closed$/, (pod = "") => ({ kind: "gateClosed", pod })],
  [
    /^condition (\S+?)(?: of (\S+))? is (True|False|Unknown): (\S+)$/,
    (type = "", farm = "", status = "", reason = "") => ({ kind: "condition", type, status, reason, ...(farm !== "" && { farm }) }),
  ],
  [
    /^server (\S+?)(?: of (\S+))? is (\S+): (\S+)$/,
    (name = "", farm = "", state = "", reason = "") => ({ kind: "server", name, state, reason, ...(farm !== "" && { farm }) }),
  ],
  [/^server (\S+?)(?: of (\S+))? is not listed$/, (name = "", farm = "") => ({ kind: "notListed", name, ...(farm !== "" && { farm }) })],
  [
    /^webfarm (\S+) would create (\d+), update (\d+) and remove (\d+)$/,
    (farm = "", creates = "", updates = "", removals = "") => ({
      ...{ kind: "plan", farm },
      ...{ creates: Number(creates), updates: Number(updates), removals: Number(removals) },
    }),
  ],
  [/^(\S+) ((?:inserted|marked|removed) .+)$/, (operator = "", deeds = "") => ({ kind: "deeds", operator, deeds: readDeeds(deeds) })],
  [/^nobody changed a row$/, () => ({ kind: "nothingDone" })],
  [/^webfarm (\S+) is gone$/, (farm = "") => ({ kind: "farmGone", farm })],
  [/^webfarm (\S+) is there$/, (farm = "") => ({ kind: "farmThere", farm })],
  [/^event (\S+) was told$/, (reason = "") => ({ kind: "event", reason })],
  [/^event (\S+) was not told$/, (reason = "") => ({ kind: "noEvent", reason })],
  [/^(\d+) rows went whose process had outlived the wait$/, (count = "") => ({ kind: "outlived", count: Number(count) })],
];

/** `in east: at staging: rows are shop-a` looks at another cluster and database than main. Throws where no form fits. */
export function parseExpectation(text: string): Expectation {
  const [, cluster, database, rest = ""] = /^(?:in ([^\s:]+): )?(?:at ([^\s:]+): )?(.*)$/.exec(text) ?? [];
  const place = { ...(cluster !== undefined && { cluster }), ...(database !== undefined && { database }) };
  for (const [pattern, read] of readers) {
    const found = pattern.exec(rest);
    // A group that took no part in the match reads undefined, whatever its type says.
    if (found !== null) return { ...read(...found.slice(1).map((one: string | undefined) => one ?? "")), ...place };
  }
  throw new Error("no form of Then fits (see test/simulation/expectations.ts)");
}

/** `inserted shop-d, shop-e and removed shop-a` */
function readDeeds(text: string): Readonly<Record<Verb, readonly string[]>> {
  const deeds: Record<Verb, string[]> = { inserted: [], marked: [], removed: [] };
  let verb: Verb | undefined;
  for (const word of text.split(/, | and | /)) {
    if (word === "inserted" || word === "marked" || word === "removed") verb = word;
    else if (verb !== undefined) deeds[verb].push(word);
  }
  return deeds;
}
