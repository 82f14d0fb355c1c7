import { describe, expect, test } from "@jest/globals";
import { serverUrl, urlProblem } from "../../operator/farm/serverUrl.ts";
import { a, actions, expectAll, plan, states } from "./planning.ts";
import type { Case } from "./planning.ts";
import { ended, farm, foreignRow, formerOwner, member, memory, nowMs, otherCluster, pod, rowOf, table, uid } from "./build.ts";
import type { Pod, ServerRow } from "../../operator/farm/model.ts";
import type { TableObservation } from "../../operator/farm/observation.ts";
import { rowKey } from "../../operator/farm/memory.ts";

const withUrl = (rows: readonly ServerRow[] = []): TableObservation => table(rows, { facts: { product: "6", hasUrl: true } });
const licensed = farm({ spec: { maxServers: 0 } });
const adopting = farm({ spec: { maxServers: 0, adoption: "MatchingNames" } });
const ready = (changes: Parameters<typeof pod>[0] = {}): Pod => pod({ ip: "10.0.0.7", ...changes });
const next = ready({ uid: uid("next"), ip: "10.0.0.8" });
const planned = (scene: Parameters<typeof plan>[0]): readonly (string | undefined)[] => {
  const { inserts, marks } = plan(scene);
  return [...inserts, ...marks].map(({ url }) => url);
};

describe("the URL of a pod's server", () => {
  test.each<[string, Pod, string, object]>([
    ["is made from the pod's IP", ready(), "http://$(POD_IP)", { kind: "url", url: "http://10.0.0.7" }],
    [
      "has brackets around an IPv6 address",
      ready({ ip: "fd00::1" }),
      "http://$(POD_IP):8080/cms",
      { kind: "url", url: "http://[fd00::1]:8080/cms" },
    ],
    ["may have the variables of names", ready(), "https://$(POD_NAME).shop:8443", { kind: "url", url: "https://shop-a.shop:8443" }],
    ["waits for an IP that it needs", pod(), "http://$(POD_IP)", { kind: "waits" }],
    ["needs no IP where the template has none", pod(), "http://$(POD_NAME)", { kind: "url", url: "http://shop-a" }],
    [
      "is refused with another scheme",
      ready(),
      "ftp://$(POD_IP)",
      { kind: "invalid", message: expect.stringContaining("http:// or https://") },
    ],
    ["is refused without a host", ready(), "http://", { kind: "invalid", message: expect.stringContaining("is no URL") }],
    ["is refused with a blank", ready(), "http://$(POD_IP)/a b", { kind: "invalid", message: expect.stringContaining("is no URL") }],
    [
      "is refused without a value for a variable",
      ready(),
      "http://x-$(POD_ORDINAL)",
      { kind: "invalid", message: expect.stringContaining("POD_ORDINAL") },
    ],
  ])("%s", (_what, one, url, expected) => {
    expect(serverUrl({ pod: one, member: member({ url }) }, { table: withUrl() })).toEqual(expected);
    expect(serverUrl({ pod: one, member: member({ url }) }, { table: table([]) })).toEqual({ kind: "none" });
  });

  test.each([
    [2_000, undefined],
    [2_001, "a server's URL has at most 2000 characters, this one has 2001"],
  ])("may have %d characters: %s", (length, expected) => {
    expect(urlProblem(`http://${"x".repeat(length - 7)}`)).toBe(expected);
  });
});

describe("where the table has ServerURL", () => {
  test.each<[string, Case]>([
    [
      "a pod with an IP is inserted",
      { scene: { farm: licensed, pods: [ready()], table: withUrl() }, does: ["insert shop-a for uid-of-shop-a"] },
    ],
    ["a pod without one waits", { scene: { farm: licensed, pods: [a], table: withUrl() }, shows: ["shop-a Pending AwaitingIP"] }],
    [
      "a pod without a valid URL is a conflict",
      {
        scene: { farm: licensed, pods: [ready()], members: [member({ url: "tcp://$(POD_IP)" })], table: withUrl() },
        shows: ["shop-a Conflict InvalidUrl"],
      },
    ],
    [
      "a living pod's row is given its URL",
      {
        scene: { farm: licensed, pods: [ready()], table: withUrl([rowOf(a, { url: "http://10.0.0.1" })]) },
        does: ["url 1 to uid-of-shop-a"],
        shows: ["shop-a Registered Registered"],
      },
    ],
    [
      "a living pod's row that has it is let alone",
      { scene: { farm: licensed, pods: [ready()], table: withUrl([rowOf(a, { url: "http://10.0.0.7" })]) } },
    ],
    [
      "a living pod's row is let alone while the pod has no IP",
      {
        scene: { farm: licensed, pods: [a], table: withUrl([rowOf(a, { url: "http://10.0.0.1" })]) },
        shows: ["shop-a Registered Registered"],
      },
    ],
    [
      "a living pod's row stays though its URL would not be valid, and that is said",
      {
        scene: { farm: licensed, pods: [ready()], members: [member({ url: "x" })], table: withUrl([rowOf(a, { url: "http://x" })]) },
        shows: ["shop-a Conflict InvalidUrl"],
      },
    ],
    [
      "an ending pod's row is let alone",
      { scene: { farm: licensed, pods: [ready({ deletionAtMs: 1 })], table: withUrl([rowOf(a, { url: "http://x" })]) } },
    ],
    [
      "a predecessor's row waits for the next pod's IP",
      {
        scene: { farm: licensed, pods: [pod({ uid: uid("next") })], gone: [{ pod: ended(), ended: true }], table: withUrl([rowOf(a)]) },
        shows: ["shop-a Pending AwaitingIP"],
      },
    ],
    [
      "a former owner's row waits for the pod's IP",
      { scene: { farm: licensed, pods: [a], table: withUrl([rowOf(a, { by: formerOwner })]) }, shows: ["shop-a Pending AwaitingIP"] },
    ],
    [
      "a row that is adopted waits for the pod's IP",
      { scene: { farm: adopting, pods: [a], table: withUrl([foreignRow({ name: "shop-a" })]) }, shows: ["shop-a Pending AwaitingIP"] },
    ],
  ])("%s", (_what, one) => expectAll(one));

  test("another cluster's row waits for the pod's IP too", () => {
    const row = rowOf(a, { by: otherCluster });
    const silent = memory({ silentSince: new Map([[rowKey(row), { sinceMs: nowMs - 300_000 }]]) });
    const seen = (one: Pod): readonly string[] =>
      actions(
        plan({ farm: licensed, pods: [one], table: table([row], { pings: new Map(), facts: { product: "6", hasUrl: true } }) }, silent),
      );
    expect([seen(a), seen(ready())]).toEqual([[], ["takeOver 1 to uid-of-shop-a"]]);
  });

  test.each<[string, readonly ServerRow[], typeof licensed]>([
    ["an insert", [], licensed],
    ["a row that is handed over", [rowOf(a, { url: "http://10.0.0.7" })], licensed],
    ["a former owner's row", [rowOf(a, { by: formerOwner })], licensed],
    ["an adopted row", [foreignRow({ name: "shop-a" })], adopting],
  ])("the URL travels with %s", (_what, rows, one) => {
    const gone = [{ pod: ended(), ended: true }];
    expect(planned({ farm: one, pods: [next], gone, table: withUrl(rows) })).toEqual(["http://10.0.0.8"]);
    expect(planned({ farm: one, pods: [next], gone, table: table(rows) })).toEqual([undefined]);
  });

  test("no pod without an IP takes a place of the licence", () => {
    const full = farm({ spec: { maxServers: 1 } });
    const pods = [pod({ name: "shop-a", createdAtMs: 1 }), ready({ name: "shop-b", createdAtMs: 2 })];
    const result = plan({ farm: full, pods, table: withUrl() });
    expect([actions(result), states(result)]).toEqual([
      ["insert shop-b for uid-of-shop-b"],
      ["shop-a Pending AwaitingIP", "shop-b Pending AwaitingRow"],
    ]);
  });
});
