// What a Then line of a scenario may say. Only the words: how each is looked up is the business of who runs the scenario.

export type Verb = "inserted" | "marked" | "removed";

export type Expectation =
  /** All rows of the table, ours and others', by name, in any order. */
  | { readonly kind: "rows"; readonly names: readonly string[]; readonly database?: string }
  /** The row carries the mark of the (newest) pod of that name. */
  | { readonly kind: "rowOf"; readonly row: string; readonly pod: string; readonly database?: string }
  /** The row is as it was when the Given lines were done. */
  | { readonly kind: "rowUnchanged"; readonly row: string; readonly database?: string }
  | { readonly kind: "gate"; readonly pod: string; readonly reason: string }
  | { readonly kind: "gateClosed"; readonly pod: string }
  | { readonly kind: "condition"; readonly type: string; readonly status: string; readonly reason: string; readonly farm?: string }
  | { readonly kind: "server"; readonly name: string; readonly state: string; readonly reason: string; readonly farm?: string }
  /** Every committed change of this operator since the first When behind the last Then. */
  | { readonly kind: "deeds"; readonly operator: string; readonly deeds: Readonly<Record<Verb, readonly string[]>> }
  | { readonly kind: "nothingDone" }
  | { readonly kind: "farmGone" | "farmThere"; readonly farm: string }
  /** Told by any operator since the first When behind the last Then. */
  | { readonly kind: "event"; readonly reason: string }
  /** Since the beginning: rows removed whose process had outlived the wait of promise 3. */
  | { readonly kind: "outlived"; readonly count: number };

type Reader = (...found: readonly string[]) => Expectation;

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
  [/^(\S+) ((?:inserted|marked|removed) .+)$/, (operator = "", deeds = "") => ({ kind: "deeds", operator, deeds: readDeeds(deeds) })],
  [/^nobody changed a row$/, () => ({ kind: "nothingDone" })],
  [/^webfarm (\S+) is gone$/, (farm = "") => ({ kind: "farmGone", farm })],
  [/^webfarm (\S+) is there$/, (farm = "") => ({ kind: "farmThere", farm })],
  [/^event (\S+) was told$/, (reason = "") => ({ kind: "event", reason })],
  [/^(\d+) rows went whose process had outlived the wait$/, (count = "") => ({ kind: "outlived", count: Number(count) })],
];

/** `at staging: rows are shop-a` looks at another database than main. Throws where no form fits. */
export function parseExpectation(text: string): Expectation {
  const [, database, rest = ""] = /^(?:at ([^\s:]+): )?(.*)$/.exec(text) ?? [];
  for (const [pattern, read] of readers) {
    const found = pattern.exec(rest);
    // A group that took no part in the match reads undefined, whatever its type says.
    if (found !== null)
      return { ...read(...found.slice(1).map((one: string | undefined) => one ?? "")), ...(database !== undefined && { database }) };
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
