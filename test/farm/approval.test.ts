// What is published for a person to approve, and what an approval lets go: which rows, for how long, and never twice.

import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { approvalInForce, approvalMs, approvalOf, isApproved, mostPublished, publicationOf } from "../../operator/farm/approval.ts";
import type { Approval, Publication, Publishing } from "../../operator/farm/approval.ts";
import type { Milliseconds, ServerRow } from "../../operator/farm/model.ts";
import type { PlanStatus } from "../../operator/farm/resource.generated.ts";
import { deepFreeze, nowWallMs, otherCluster, pod, rowOf } from "./build.ts";

const rowNumber = (serverID: number): ServerRow => rowOf(pod({ name: `shop-${serverID}` }), { serverID, by: otherCluster });
const rowsTo = (count: number, from = 1): readonly ServerRow[] =>
  Array.from({ length: count + 1 - from }, (_, index) => rowNumber(from + index));
const [one, two, three] = [rowNumber(1), rowNumber(2), rowNumber(3)] as const;

/** What the API server has of a publication. */
const statusOf = (publication: Publication | undefined): PlanStatus | undefined =>
  publication && deepFreeze({ creates: 0, updates: 0, removals: 0, blockedRemovals: 0, ...publication });

function publish(publishing: Partial<Omit<Publishing, "before">> & { readonly before?: Publication | undefined }): Publication | undefined {
  const { before, ...rest } = publishing;
  return publicationOf(
    deepFreeze({ before: statusOf(before), needing: [], approve: undefined, mayRemove: true, nowWallMs: nowWallMs + 5_000, ...rest }),
  );
}

const ids = (publication: Publication | undefined): readonly number[] | undefined =>
  publication?.unexplained.map(({ serverID }) => serverID);
/** The digest of what is published, or "" where nothing is. */
const digestOf = (publication: Publication | undefined): string => publication?.digest ?? "";

const published = (needing: readonly ServerRow[] = [one, two]): Publication => publish({ needing, nowWallMs }) as Publication;
const approved = (needing: readonly ServerRow[] = [one, two]): Publication => {
  const before = published(needing);
  return publish({ before, needing, approve: before.digest, nowWallMs }) as Publication;
};

describe("the published set", () => {
  test("is nothing while nothing needs approval", () => {
    expect(publish({})).toBeUndefined();
    expect(publish({ before: published() })).toBeUndefined();
  });
  test("says ServerID, name and GUID of each row, by ServerID", () =>
    expect(publish({ needing: [two, one] })?.unexplained).toEqual(
      [one, two].map(({ serverID, name, guid }) => ({ serverID, name, guid })),
    ));

  test.each<[string, readonly ServerRow[]]>([
    ["nothing changes", [one, two]],
    ["the rows come in another order", [two, one]],
    ["one of its rows needs no approval any more", [two]],
  ])("stays while %s", (_what, needing) => expect(publish({ before: published(), needing })).toEqual(published()));

  test("stays when a row that had left it needs approval again", () => {
    const without = publish({ before: published(), needing: [two] });
    expect(publish({ before: without, needing: [one, two] })).toEqual(published());
  });

  test.each<[string, readonly ServerRow[], readonly number[]]>([
    ["another row needs approval", [one, two, three], [1, 2, 3]],
    ["another row needs approval and one of it does not", [two, three], [2, 3]],
    ["a row has another GUID, as after a restart of its pod's life", [one, { ...two, guid: three.guid }], [1, 2]],
    ["a row has another name", [one, { ...two, name: "renamed" }], [1, 2]],
    ["a row has another ServerID", [one, { ...two, serverID: 9 }], [1, 9]],
    ["none of it is left", [three], [3]],
  ])("is published anew when %s", (_what, needing, expected) => {
    const next = publish({ before: published(), needing });
    expect(ids(next)).toEqual(expected);
    expect(digestOf(next)).not.toBe(published().digest);
  });

  test("has another digest when it is published at another time", () => {
    expect(digestOf(publish({ needing: [one], nowWallMs }))).toBe(digestOf(publish({ needing: [one], nowWallMs })));
    expect(digestOf(publish({ needing: [one], nowWallMs: nowWallMs + 1 }))).not.toBe(digestOf(publish({ needing: [one], nowWallMs })));
  });
});

describe("of more rows than fit", () => {
  test("the set has 500, those with the smallest ServerID", () => {
    expect(ids(published(rowsTo(500)))).toHaveLength(500);
    expect(ids(published(rowsTo(501).toReversed()))).toEqual(rowsTo(500).map(({ serverID }) => serverID));
    expect(mostPublished).toBe(500);
  });
  test("a set with room for one more takes it", () =>
    expect(ids(publish({ before: published(rowsTo(499)), needing: rowsTo(500) }))).toHaveLength(500));
  test.each<[string, readonly ServerRow[]]>([
    ["more rows wait than it can hold", rowsTo(600)],
    ["a row of it goes", rowsTo(600, 2)],
    ["all but one of it have gone", rowsTo(600, 500)],
  ])("a full set stays although %s", (_what, needing) =>
    expect(publish({ before: published(rowsTo(600)), needing })).toEqual(published(rowsTo(600))),
  );
  test("the others are published when none of it is left", () =>
    expect(ids(publish({ before: published(rowsTo(600)), needing: rowsTo(600, 501) }))).toEqual(
      rowsTo(600, 501).map(({ serverID }) => serverID),
    ));
});

describe("an approval", () => {
  test("is written down for ten minutes when the annotation names the digest", () => {
    expect(approved()).toEqual({
      ...published(),
      approved: { digest: published().digest, until: new Date(nowWallMs + 600_000).toISOString() },
    });
  });
  test.each<[string, Partial<Publishing>]>([
    ["there is no annotation", { approve: undefined }],
    ["the annotation is empty", { approve: "" }],
    ["the annotation names another digest", { approve: published([one]).digest }],
    ["the annotation has a blank more", { approve: `${published().digest} ` }],
    ["the farm may not remove rows", { approve: published().digest, mayRemove: false }],
  ])("is not begun while %s", (_what, changes) => {
    const { before: _before, ...rest } = changes;
    expect(publish({ before: published(), needing: [one, two], ...rest })).toEqual(published());
  });
  test("is not begun for a set that another row has just changed", () => {
    const next = publish({ before: published(), needing: [one, two, three], approve: published().digest });
    expect([ids(next), next?.approved]).toEqual([[1, 2, 3], undefined]);
  });
  test("is not begun for a set that was never published", () =>
    expect(publish({ needing: [one, two], approve: published().digest, nowWallMs })?.approved).toBeUndefined());

  const lastMs = nowWallMs + approvalMs - 1;
  test.each<[string, readonly ServerRow[], Partial<Publishing>]>([
    ["the annotation is still there", [one, two], { approve: approved().digest }],
    ["the annotation is gone", [one, two], {}],
    ["the farm may not remove rows for a while", [one, two], { mayRemove: false }],
    ["some of it have gone", [two], {}],
    ["other rows need approval too", [two, three], {}],
  ])("stays as it was written down while %s", (_what, needing, changes) => {
    const { before: _before, ...rest } = changes;
    expect(publish({ before: approved(), needing, nowWallMs: lastMs, ...rest })).toEqual(approved());
  });
  test("ends after ten minutes, and what is left is published under a digest that the old annotation does not name", () => {
    const next = publish({ before: approved(), needing: [two], approve: approved().digest, nowWallMs: lastMs + 1 });
    expect([ids(next), next?.approved]).toEqual([[2], undefined]);
    expect(digestOf(next)).not.toBe(approved().digest);
    const again = publish({ before: next, needing: [two], approve: approved().digest, nowWallMs: lastMs + 2 });
    expect(again).toEqual(next);
  });
  test("ends when none of its rows is left: others are published at once", () => {
    const next = publish({ before: approved(), needing: [three], approve: approved().digest, nowWallMs: lastMs });
    expect([ids(next), next?.approved]).toEqual([[3], undefined]);
    expect(publish({ before: approved(), nowWallMs: lastMs })).toBeUndefined();
  });
});

describe("what the status says is in force", () => {
  const inForce = (plan: Publication | undefined, atMs: Milliseconds, approver?: string): Approval | undefined =>
    approvalInForce({ status: { plan: statusOf(plan) as PlanStatus }, ...(approver !== undefined && { approver }) }, atMs);
  const untilMs = nowWallMs + approvalMs;

  test.each<[string, Publication | undefined, Milliseconds, boolean]>([
    ["from its first moment", approved(), nowWallMs, true],
    ["to its last", approved(), untilMs - 1, true],
    ["but not at its end", approved(), untilMs, false],
    ["but not without a plan", undefined, nowWallMs, false],
    ["but not before it is written down", published(), nowWallMs, false],
    [
      "but not for another set than the one that was approved",
      { ...published([three]), ...{ approved: approved().approved as never } },
      nowWallMs,
      false,
    ],
    ["but not without a time", { ...approved(), approved: { digest: approved().digest, until: "" } }, nowWallMs, false],
    ["by a clock that is a minute behind the one that wrote it", approved(), nowWallMs - 60_000, true],
    ["but not by one that is further behind: its end would come too late", approved(), nowWallMs - 60_001, false],
  ])("%s", (_what, plan, atMs, expected) => expect(inForce(plan, atMs) !== undefined).toBe(expected));

  test("lets go the rows as they were published and no others", () => {
    const approval = inForce(approved(), nowWallMs);
    const othersOfOne = [
      { ...one, serverID: 3 },
      { ...one, name: "SHOP-1" },
      { ...one, guid: two.guid },
      { ...one, guid: null },
    ];
    expect([one, two, { ...one, enabled: false }].map((row) => isApproved(row, approval))).toEqual([true, true, true]);
    expect([three, ...othersOfOne].map((row) => isApproved(row, approval))).toEqual([false, false, false, false, false]);
    expect(isApproved(one, undefined)).toBe(false);
  });
  test("says of each row by which digest, until when and whose annotation", () => {
    const approval = inForce(approved(), nowWallMs, "kubectl-annotate");
    expect(approvalOf(one, approval)).toEqual({ digest: approved().digest, untilMs, approver: "kubectl-annotate" });
    expect(approvalOf(one, inForce(approved(), nowWallMs))).toEqual({ digest: approved().digest, untilMs });
    expect(approvalOf(three, approval)).toBeUndefined();
  });
});

describe("however rows, annotations, time and failed writes follow each other", () => {
  interface Step {
    readonly needing: readonly number[];
    /** The n-th of all digests that were ever published, counted from the last: 0 is the one that is published now. */
    readonly annotate: number | undefined;
    readonly mayRemove: boolean;
    readonly elapsedMs: Milliseconds;
    /** Otherwise it is a write that failed, or a process that ended before it. */
    readonly isWritten: boolean;
  }
  const anyStep: fc.Arbitrary<Step> = fc.record({
    needing: fc.uniqueArray(fc.integer({ min: 1, max: 5 }), { maxLength: 5 }),
    annotate: fc.constantFrom(undefined, undefined, 0, 0, 0, 1, 2),
    mayRemove: fc.constantFrom(true, true, true, false),
    elapsedMs: fc.constantFrom(1, 1_000, 30_000, approvalMs - 1_000, approvalMs - 1, approvalMs, approvalMs + 1),
    isWritten: fc.constantFrom(true, true, true, false),
  });
  const settings = { numRuns: 500, seed: Number(process.env["FC_SEED"] ?? Date.now() % 2 ** 31) };
  const keyOf = (row: { readonly serverID: number }): number => row.serverID;

  test("a set changes only for a row outside it or after its approval, and no digest works outside its one time of ten minutes", () => {
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 40 }), (steps) => {
        let now = nowWallMs;
        let status: PlanStatus | undefined;
        let annotation: string | undefined;
        const digests: string[] = [];
        const approvedAt = new Map<string, Milliseconds>();
        for (const step of steps) {
          now += step.elapsedMs;
          const inForceBefore = approvalInForce({ status: { plan: status as PlanStatus } }, now);
          if (inForceBefore !== undefined) expect(now - (approvedAt.get(inForceBefore.digest) ?? -Infinity)).toBeLessThan(approvalMs);
          if (step.annotate !== undefined) annotation = digests.at(-1 - step.annotate);
          const needing = step.needing.map(rowNumber);
          const next = publicationOf(
            deepFreeze({ before: status, needing, approve: annotation, mayRemove: step.mayRemove, nowWallMs: now }),
          );
          const set = (status?.unexplained ?? []).map(keyOf);
          const isSameSet = next?.digest === status?.digest;
          if (isSameSet) expect((next?.unexplained ?? []).map(keyOf)).toEqual(set);
          else if (status !== undefined) {
            const isOutside = step.needing.some((id) => !set.includes(id));
            const isLeft = step.needing.some((id) => set.includes(id));
            const isOver = status.approved !== undefined && inForceBefore === undefined;
            expect(isOver || !isLeft || (isOutside && inForceBefore === undefined)).toBe(true);
          }
          if (step.needing.length === 0) expect(next).toBeUndefined();
          if (next?.approved !== undefined && next.approved.digest !== status?.approved?.digest) {
            expect(approvedAt.has(next.digest)).toBe(false);
            expect([next.digest, step.mayRemove, isSameSet]).toEqual([annotation, true, true]);
          }
          if (!step.isWritten) continue;
          if (next !== undefined && next.digest !== status?.digest) {
            expect(digests).not.toContain(next.digest);
            digests.push(next.digest);
          }
          if (next?.approved !== undefined && !approvedAt.has(next.digest)) approvedAt.set(next.digest, now);
          status = statusOf(next);
        }
      }),
      settings,
    );
  });
});
