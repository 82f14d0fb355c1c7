// Who has a name that two pods or two rows want.

import { describe, expect, test } from "@jest/globals";
import { desiredServers } from "../../operator/farm/desired.ts";
import { markFor } from "../../operator/farm/mark.ts";
import { ended, foreignRow, identity, member, observation, pod, rowOf, terminating, uid } from "./build.ts";
import { plan, expectAll, a, b } from "./planning.ts";
import type { Case } from "./planning.ts";
import type { Scene } from "./build.ts";

describe("two pods that yield one name", () => {
  const members = [member({ serverName: "site" })];
  const older = pod({ name: "shop-a", createdAtMs: 1 });
  const younger = pod({ name: "shop-b", createdAtMs: 2 });
  test.each<[string, Case]>([
    [
      "the older has it without a row, in whatever order they are seen",
      {
        scene: { members, pods: [younger, older] },
        does: ["insert site for uid-of-shop-a"],
        shows: ["site Conflict NameOfAnotherPod", "site Pending AwaitingRow"],
      },
    ],
    [
      "the smaller UID has it when they are of one age",
      {
        scene: { members, pods: [pod({ name: "x", uid: uid("2"), createdAtMs: 1 }), pod({ name: "y", uid: uid("1"), createdAtMs: 1 })] },
        does: ["insert site for 1"],
      },
    ],
    [
      "the one whose mark the row carries has it",
      {
        scene: { members, pods: [older, younger], rows: [rowOf(younger, { name: "site" })] },
        shows: ["site Registered Registered", "site Conflict NameOfAnotherPod"],
      },
    ],
    [
      "it keeps it while it terminates",
      {
        scene: { members, pods: [older, terminating({ name: "shop-b" })], rows: [rowOf(younger, { name: "site" })] },
        shows: ["site Draining PodTerminating", "site Conflict NameOfAnotherPod"],
      },
    ],
    [
      "the other gets the row when it has ended",
      {
        scene: { members, pods: [older, ended({ name: "shop-b" })], rows: [rowOf(younger, { name: "site" })] },
        does: ["handOver 1 to uid-of-shop-a"],
      },
    ],
    [
      "one that lost its labels keeps the name too",
      {
        scene: { members, pods: [older, pod({ name: "shop-b", labels: {} })], rows: [rowOf(younger, { name: "site" })] },
        shows: ["site Registered Registered", "site Conflict NameOfAnotherPod"],
      },
    ],
    [
      "names that differ in case are one",
      {
        scene: {
          members: [member({ name: "one", serverName: "SITE", selector: { matchLabels: { tier: "1" } } }), member({ serverName: "site" })],
          pods: [older, pod({ name: "shop-b", labels: { tier: "1" } })],
        },
        does: ["insert site for uid-of-shop-a"],
      },
    ],
  ])("%s", (_what, one) => expectAll(one));

  test.each([pod, terminating])("the message names the pod that has it, also while it terminates", (state) => {
    const { servers } = plan({
      members,
      pods: [older, state({ name: "shop-b", createdAtMs: 2 })],
      rows: [rowOf(younger, { name: "site" })],
    });
    expect(servers.find(({ reason }) => reason === "NameOfAnotherPod")?.message).toMatch(/^Pod shop-b has this server name/);
  });

  describe("the message says why, and the cure", () => {
    const messageOf = (scene: Scene): string => plan(scene).servers.find(({ reason }) => reason === "NameOfAnotherPod")?.message ?? "";
    test("of two members", () => {
      const other = member({ name: "one", serverName: "site", selector: { matchLabels: { tier: "1" } } });
      const message = messageOf({ members: [other, ...members], pods: [older, pod({ name: "shop-b", labels: { tier: "1" } })] });
      expect(message).toMatch(/^Pod shop-a .*Two members must not yield one name: .*another serverName in the place of one or live\.$/);
    });
    test("of two pods of one member", () => {
      const message = messageOf({ members, pods: [older, younger] });
      expect(message).toMatch(/Both are pods of member live, whose serverName site gives them one name: .*\$\(POD_NAME\)/);
      expect(message).not.toMatch(/Two members|Windows/);
    });
    test("of two pods of one member whose machines' names are cut", () => {
      const cut = [1, 2].map((one) => pod({ name: `shop-7c9d8b6f5-x2vb${one}`, os: "windows", createdAtMs: one }));
      const message = messageOf({ members: [member({ serverName: "$(MACHINE_NAME)" })], pods: cut });
      expect(message).toMatch(
        /\$\(MACHINE_NAME\), as Windows cuts a machine's name to 15 characters, gives them one name: .*\$\(POD_NAME\)/,
      );
    });
  });
});

describe("several of our rows of one name", () => {
  const successor = pod({ uid: uid("next") });
  const first = rowOf(a, { serverID: 3 });
  const second = rowOf(a, { serverID: 7, name: "SHOP-A", guid: markFor(identity, "shop-a", uid("elder")) });
  test("only the smallest ServerID is given to the next pod", () =>
    expectAll({
      scene: { pods: [successor], rows: [second, first] },
      does: ["handOver 3 to next"],
      shows: ["shop-a Pending ReplacesPredecessor", "SHOP-A Stale NameInUse"],
    }));
  test("none is given to a pod that has one of them", () =>
    expectAll({ scene: { pods: [a], rows: [second, first] }, shows: ["shop-a Registered Registered", "SHOP-A Stale NameInUse"] }));
  test("the pod's own counts though it has the larger ServerID", () =>
    expectAll({ scene: { pods: [a], rows: [rowOf(a, { serverID: 9 }), { ...second, serverID: 2 }] } }));
  test("one plan is made of them in whatever order they were read", () => {
    expect(plan({ pods: [successor], rows: [second, first, foreignRow()] })).toEqual(
      plan({ pods: [successor], rows: [foreignRow(), first, second] }),
    );
  });

  test("of two that are marked for living pods the smallest ServerID says who has the name", () => {
    const one = rowOf(a, { serverID: 1, name: "site" });
    const two = rowOf(b, { serverID: 2, name: "site" });
    for (const rows of [
      [one, two],
      [two, one],
    ]) {
      const seen = observation({ pods: [b, a], members: [member({ serverName: "site" })], rows });
      expect(desiredServers(seen, rows).holders.get("site")?.pod.uid).toBe(a.uid);
    }
  });
});
