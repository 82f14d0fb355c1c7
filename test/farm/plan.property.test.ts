// What holds of every plan, whatever pods, rows, policies and members there are. fast-check prints the seed and the path of a failure.

import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { isApproved } from "../../operator/farm/approval.ts";
import { wantsRow } from "../../operator/farm/desired.ts";
import { hasEnded } from "../../operator/farm/hasEnded.ts";
import { kinship, podHash, readMark } from "../../operator/farm/mark.ts";
import type { Pod, PodHash, ServerRow, WorkloadRead } from "../../operator/farm/model.ts";
import { planFarm } from "../../operator/farm/plan.ts";
import type { Policy } from "../../operator/farm/resource.generated.ts";
import { comparable } from "../../operator/farm/serverName.ts";
import {
  deployment,
  ended,
  farm,
  foreignRow,
  formerOwner,
  identity,
  lost,
  member,
  otherCluster,
  otherOwner,
  pod,
  rowOf,
  terminating,
  uid,
  unbound,
} from "./build.ts";
import { approving } from "./planning.ts";
import { newWorld, playRound } from "./world.ts";
import type { Round, World } from "./world.ts";

/** Enough for a batch of each late pod and for every wait; a plan that never ends takes more. */
const mostRounds = 100;
const settings = { numRuns: 200, seed: Number(process.env["FC_SEED"] ?? Date.now() % 2 ** 31) };

const controller = { apiVersion: "apps/v1", kind: "StatefulSet", name: "shop", uid: "s" };
const names = ["shop-0", "shop-1", "shop-2", "shop-3", "blog-0", "shop-a", "shop-b"];

const anyPod: fc.Arbitrary<Pod> = fc
  .record({
    name: fc.constantFrom(...names),
    incarnation: fc.nat(2),
    state: fc.constantFrom(pod, pod, pod, terminating, ended, lost, unbound),
    createdAtMs: fc.nat(3),
    graceSeconds: fc.constantFrom(0, 30, 400),
    ready: fc.boolean(),
    labels: fc.constantFrom({ app: "shop" }, { app: "shop" }, { app: "admin" }, { app: "none" }),
    isOfSet: fc.boolean(),
  })
  .map(({ name, incarnation, state, isOfSet, ...rest }) =>
    state({ ...rest, name, uid: uid(`${name}/${incarnation}`), controller: isOfSet ? controller : undefined }),
  );

interface RowSeed {
  readonly of: Pod;
  readonly name: string;
  readonly kind: "ours" | "otherCluster" | "formerOwner" | "otherOwner" | "foreign";
  readonly enabled: boolean;
}

const anyRow: fc.Arbitrary<RowSeed> = fc.record({
  of: anyPod,
  name: fc.constantFrom("", "", "SHOP-0", "shop-1  ", "site", "site-0", "site-1", "by-hand"),
  kind: fc.constantFrom("ours", "ours", "ours", "otherCluster", "formerOwner", "otherOwner", "foreign"),
  enabled: fc.boolean(),
});

function rowFrom({ of, name, kind, enabled }: RowSeed, index: number): ServerRow {
  const changes = { serverID: index + 1, name: name === "" ? of.name : name, enabled };
  switch (kind) {
    case "ours":
      return rowOf(of, changes);
    case "otherCluster":
      return rowOf(of, { ...changes, by: otherCluster });
    case "formerOwner":
      return rowOf(of, { ...changes, by: formerOwner });
    case "otherOwner":
      return rowOf(of, { ...changes, by: otherOwner });
    case "foreign":
      return foreignRow(changes);
  }
}

const anyWorkload: fc.Arbitrary<WorkloadRead | { readonly kind: "selected" }> = fc.oneof(
  fc.nat(6).map((replicas) => deployment({ replicas })),
  fc.constantFrom(
    { kind: "selected" } as const,
    { kind: "absent" } as const,
    { kind: "unknown", reason: "Forbidden", message: "" } as const,
  ),
);
const anyTemplate = fc.constantFrom("$(POD_NAME)", "$(POD_NAME)", "site-$(POD_ORDINAL)", "site", "ä");

const anyWorld = ({ hasDuplicates }: { readonly hasDuplicates: boolean }): fc.Arbitrary<World> =>
  fc
    .record({
      policy: fc.constantFrom<Policy>("Sync", "Sync", "Sync", "UpsertOnly", "CreateOnly", "Observe"),
      suspend: fc.constantFrom(false, false, false, true),
      adoption: fc.constantFrom("Never", "Never", "MatchingNames"),
      maxServers: fc.constantFrom(undefined, undefined, 0, 2, 4),
      isDeleted: fc.constantFrom(false, false, false, true),
      templates: fc.tuple(anyTemplate, anyTemplate),
      workloads: fc.tuple(anyWorkload, anyWorkload),
      // One pod a name, as in a namespace.
      pods: fc.uniqueArray(anyPod, { maxLength: 7, selector: ({ name }) => name }),
      gone: fc.array(fc.record({ pod: anyPod, presence: fc.constantFrom("deleted", "listedGone"), ended: fc.boolean() }), { maxLength: 3 }),
      rows: hasDuplicates
        ? fc.array(anyRow, { maxLength: 8 })
        : fc.uniqueArray(anyRow, { maxLength: 8, selector: ({ of, name }) => comparable(name === "" ? of.name : name) }),
      approves: fc.constantFrom("nothing", "nothing", "the first", "everything"),
      setCount: fc.nat(4),
      hasPings: fc.boolean(),
    })
    .map(
      ({
        policy,
        suspend,
        adoption,
        maxServers,
        isDeleted,
        templates,
        workloads,
        pods,
        gone,
        rows: seeds,
        approves,
        setCount,
        hasPings,
      }) => {
        const rows = seeds.map(rowFrom);
        return newWorld({
          farm: farm({ deletionAtMs: isDeleted ? 1 : undefined, spec: { policy, suspend, adoption, maxServers } }),
          members: [
            member({ serverName: templates[0], workload: workloads[0] }),
            member({ name: "admin", serverName: templates[1], workload: workloads[1], selector: { matchLabels: { app: "admin" } } }),
          ],
          statefulSets: [{ name: "shop", start: 0, count: setCount, serverName: templates[0] }],
          pods,
          live: pods,
          // A UID that is there is not gone too.
          gone: gone.filter((one) => !pods.some((present) => present.uid === one.pod.uid)),
          rows,
          hasPings,
          approval: approves === "nothing" ? undefined : approving(...(approves === "everything" ? rows : rows.slice(0, 1))),
        });
      },
    );

const isIdle = ({ plan, actions }: Round): boolean =>
  actions.inserts.length + actions.marks.length + actions.removals.length + plan.unconfirmed.length === 0 && plan.lookAgainMs === undefined;

function play(world: World, most = mostRounds): readonly Round[] {
  const rounds: Round[] = [];
  let next = world;
  do {
    const round = playRound(next);
    rounds.push(round);
    next = round.after;
  } while (rounds.length < most && !isIdle(rounds.at(-1) as Round));
  return rounds;
}

const livingHashes = (pods: readonly Pod[]): ReadonlySet<PodHash> =>
  new Set(pods.filter((one) => !hasEnded(one)).map((one) => podHash(one.uid)));
const isForeign = (row: ServerRow): boolean => kinship(row, identity).kind === "foreign";

/** Another row of the farm with its name and pod is there: what is lost with this one is nothing. */
const hasTwin = (row: ServerRow, rows: readonly ServerRow[]): boolean =>
  rows.some(
    ({ serverID, name, guid }) =>
      serverID < row.serverID &&
      name.trimEnd() === row.name.trimEnd() &&
      readMark(guid)?.pod === readMark(row.guid)?.pod &&
      !isForeign(row),
  );

function expectSafe({ before, after, plan, actions, removed }: Round): void {
  const living = livingHashes(before.pods);
  for (const { row, evidence } of plan.removals) {
    if (evidence === "surplus" && hasTwin(row, before.rows)) continue;
    if (evidence === "approved") expect([isApproved(row, before.approval), isForeign(row)]).toEqual([true, false]);
    else expect(kinship(row, identity).kind).toBe("ours");
    expect(living).not.toContain(readMark(row.guid)?.pod);
  }
  for (const row of removed) if (!hasTwin(row, after.rows)) expect(livingHashes(before.live)).not.toContain(readMark(row.guid)?.pod);
  for (const { kind: remarks, row, claim } of plan.marks) {
    const { kind } = kinship(row, identity);
    expect(kind === "foreign").toBe(remarks === "adopt");
    const rowsPod = readMark(row.guid)?.pod;
    // A former owner's row may be its own pod's already, and another cluster's names no pod of this one.
    if (kind === "ours" || (kind === "formerOwner" && rowsPod !== claim.hash)) expect(living).not.toContain(rowsPod);
  }
  const served = [...plan.inserts, ...plan.marks].map(({ claim }) => claim);
  for (const claim of served) expect(wantsRow(claim)).toBe(true);
  expect(new Set(served.map(({ pod: one }) => one.uid)).size).toBe(served.length);
  const enabled = (rows: readonly ServerRow[]): number => rows.filter((row) => row.enabled).length;
  const most = before.farm.spec.maxServers ?? 0;
  if (most > 0) expect(enabled(after.rows)).toBeLessThanOrEqual(Math.max(most, enabled(before.rows)));
  if (most > 0) expect(plan.inserts.length).toBeLessThanOrEqual(Math.max(0, most - enabled(before.rows)));
  for (const { kind: remark, row } of plan.marks) {
    if (remark !== "adopt") continue;
    expect([before.farm.spec.adoption, readMark(row.guid)]).toEqual(["MatchingNames", undefined]);
    expect(["UpsertOnly", "Sync"].includes(before.farm.spec.policy) || !actions.marks.some((one) => one.row === row)).toBe(true);
  }
  const insertedNames = plan.inserts.map(({ name }) => comparable(name));
  expect(new Set(insertedNames).size).toBe(insertedNames.length);
  for (const row of before.rows) if (!isForeign(row)) expect(insertedNames).not.toContain(comparable(row.name));
  for (const row of before.rows) expect(plan.inserts.map(({ name }) => name)).not.toContain(row.name.trimEnd());
  if (before.farm.deletionAtMs !== undefined) expect(actions.inserts).toEqual([]);
  if (before.farm.spec.suspend === true || before.farm.spec.policy === "Observe")
    expect([actions.inserts, actions.marks, actions.removals]).toEqual([[], [], []]);
  if (before.farm.spec.policy !== "Sync") expect(actions.removals).toEqual([]);
}

describe.each([
  ["whose names are unique", { hasDuplicates: false }],
  ["with rows of one name", { hasDuplicates: true }],
])("for every farm %s", (_what, kind) => {
  test("applying plans again and again comes to an end", () => {
    fc.assert(
      fc.property(anyWorld(kind), (world) => {
        const rounds = play(world);
        const last = rounds.at(-1) as Round;
        expect(isIdle(last)).toBe(true);
        const once = playRound({ ...last.after, nowMs: last.after.nowMs + 1 });
        expect(once.after.rows).toEqual(last.after.rows);
        expect(once.plan.servers).toEqual(last.plan.servers);
      }),
      settings,
    );
  });

  test("foreign rows stay as they are, byte for byte, but for unmarked ones that are adopted", () => {
    fc.assert(
      fc.property(anyWorld(kind), (world) => {
        const foreign = world.rows.filter(isForeign);
        const mayBeAdopted = (row: ServerRow): boolean => world.farm.spec.adoption === "MatchingNames" && readMark(row.guid) === undefined;
        for (const { after } of play(world)) {
          const left = new Set(after.rows.filter(isForeign).map(({ serverID }) => serverID));
          expect(after.rows.filter(isForeign)).toEqual(foreign.filter(({ serverID }) => left.has(serverID)));
          expect(foreign.filter((row) => !left.has(row.serverID) && !mayBeAdopted(row))).toEqual([]);
        }
      }),
      settings,
    );
  });

  test("no row of a pod that has not ended is removed or given away, and only living pods with a node get rows", () => {
    fc.assert(
      fc.property(anyWorld(kind), (world) => {
        for (const round of play(world)) expectSafe(round);
      }),
      settings,
    );
  });

  test("no pod gets a second row", () => {
    // Rows of one name count once: where no unique index stands the pod gets the first of them, and the others only go where rows may go.
    const count = (rows: readonly ServerRow[], of: Pod): number =>
      new Set(
        rows
          .filter((row) => kinship(row, identity).kind === "ours" && readMark(row.guid)?.pod === podHash(of.uid))
          .map(({ name }) => comparable(name)),
      ).size;
    fc.assert(
      fc.property(anyWorld(kind), (world) => {
        const rows = play(world).at(-1)?.after.rows ?? [];
        for (const one of world.pods) expect(count(rows, one)).toBeLessThanOrEqual(Math.max(1, count(world.rows, one)));
      }),
      settings,
    );
  });

  test("a plan does not depend on the order of the rows", () => {
    fc.assert(
      fc.property(anyWorld(kind), (world) => {
        const { seen, before } = playRound(world);
        const { seen: turned } = playRound({ ...world, rows: world.rows.toReversed() });
        expect(planFarm(turned, before.memory)).toEqual(planFarm(seen, before.memory));
      }),
      settings,
    );
  });
});

test("in the end every living pod with a node, a name of its own and a member that can be read has its row", () => {
  fc.assert(
    fc.property(anyWorld({ hasDuplicates: false }), (world) => {
      fc.pre(world.farm.spec.policy === "Sync" && world.farm.spec.suspend !== true && world.farm.deletionAtMs === undefined);
      const { plan, after } = play(world).at(-1) as Round;
      const has = new Set(after.rows.filter((row) => kinship(row, identity).kind === "ours").map((row) => readMark(row.guid)?.pod));
      const excused = new Set(
        plan.servers
          .filter(({ state, reason }) => state === "Conflict" || state === "LimitReached" || reason === "WorkloadUnresolved")
          .map(({ pod: one }) => one?.uid),
      );
      for (const { pod: one, hash } of plan.desired.claimed.filter(wantsRow)) expect(has.has(hash) || excused.has(one.uid)).toBe(true);
    }),
    settings,
  );
});

test("while the cache lags behind, no row of a pod that the API server has not seen end is removed", () => {
  const lagging = fc.record({
    world: anyWorld({ hasDuplicates: true }),
    hidden: fc.array(anyPod, { maxLength: 5 }),
    stale: fc.array(anyPod, { maxLength: 3 }),
  });
  fc.assert(
    fc.property(lagging, ({ world, hidden, stale }) => {
      // The API server has pods that the cache does not show, under names of their own; and the cache shows some that are no more.
      const live = [...new Map([...hidden, ...world.pods.slice(1)].map((one) => [one.name, one])).values()];
      const liveUids = new Set(live.map((one) => one.uid));
      const pods = [...new Map([...world.pods, ...stale.filter((one) => !liveUids.has(one.uid))].map((one) => [one.name, one])).values()];
      // What ended stays ended, and what is gone for this process with its end seen is not live.
      const gone = world.gone.filter(
        ({ pod: one, ended: isEnded }) => !pods.some(({ uid: id }) => id === one.uid) && !(isEnded === true && liveUids.has(one.uid)),
      );
      for (const { removed, after } of play({ ...world, pods, live, gone }, 20))
        for (const row of removed) if (!hasTwin(row, after.rows)) expect(livingHashes(live)).not.toContain(readMark(row.guid)?.pod);
    }),
    settings,
  );
});
