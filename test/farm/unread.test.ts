// What is decided of pods while a workload that may have them cannot be read: an error is never "does not select".

import { describe, expect, test } from "@jest/globals";
import { gatesToOpen } from "../../operator/farm/gates.ts";
import { farmKey } from "../../operator/farm/model.ts";
import type { Pod } from "../../operator/farm/model.ts";
import { planFarm } from "../../operator/farm/plan.ts";
import { authorityOf } from "../../operator/farm/policy.ts";
import type { WorkloadRef } from "../../operator/farm/resource.generated.ts";
import { isSurelyOf, mayBeOf } from "../../operator/farm/unread.ts";
import { ended, farm, member, memory, nowMs, observation, pod, rowOf, uid } from "./build.ts";
import type { Scene } from "./build.ts";
import { actions, plan, states } from "./planning.ts";

const of = (kind: string, name: string, apiVersion = "apps/v1"): NonNullable<Pod["controller"]> => ({ apiVersion, kind, name, uid: "u" });
const ofDeployment = of("ReplicaSet", "shop-6f7c9d5b8");
const gated = pod({ gate: "closed", controller: ofDeployment });

describe("of a workload that cannot be read is a pod", () => {
  const deployment = { apiVersion: "apps/v1", kind: "Deployment", name: "shop" };
  const set = { apiVersion: "apps/v1", kind: "StatefulSet", name: "shop" };
  const rollout = { apiVersion: "argoproj.io/v1alpha1", kind: "Rollout", name: "shop" };
  test.each<[string, NonNullable<Pod["controller"]> | undefined, WorkloadRef, "surely" | "perhaps" | "surely not"]>([
    ["a ReplicaSet of the Deployment", ofDeployment, deployment, "surely"],
    ["a ReplicaSet of another Deployment", of("ReplicaSet", "blog-6f7c9d5b8"), deployment, "surely not"],
    ["a ReplicaSet of a Deployment whose name only begins so", of("ReplicaSet", "shop-admin-6f7c9d5b8"), deployment, "surely not"],
    ["a ReplicaSet of that name without a Deployment", of("ReplicaSet", "shop"), deployment, "surely not"],
    ["a StatefulSet, where a Deployment is asked for", of("StatefulSet", "shop"), deployment, "surely not"],
    ["the StatefulSet itself", of("StatefulSet", "shop"), set, "surely"],
    ["another StatefulSet", of("StatefulSet", "shop-b"), set, "surely not"],
    ["a ReplicaSet, where a StatefulSet is asked for", ofDeployment, set, "surely not"],
    ["the custom resource itself", of("Rollout", "shop", "argoproj.io/v1alpha1"), rollout, "surely"],
    ["another of its kind", of("Rollout", "shop-2", "argoproj.io/v1alpha1"), rollout, "surely not"],
    ["a ReplicaSet that a custom resource may have made", ofDeployment, rollout, "perhaps"],
    ["whatever is named after a custom resource", of("StatefulSet", "shop-web"), rollout, "perhaps"],
    ["what is named after another", of("ReplicaSet", "blog-6f7c9d5b8"), rollout, "surely not"],
    ["nobody", undefined, deployment, "perhaps"],
  ])("controlled by %s", (_what, controller, ref, expected) => {
    const one = pod({ ...(controller !== undefined && { controller }) });
    expect(isSurelyOf(one, ref) ? "surely" : mayBeOf(one, ref) ? "perhaps" : "surely not").toBe(expected);
    expect(mayBeOf(one, ref)).toBe(expected !== "surely not");
  });
});

const unread = (reason: string): ReturnType<typeof member> =>
  member({ workload: { kind: "unknown", reason, message: "500" }, selector: undefined });
const rest = member({
  name: "rest",
  serverName: "rest-$(POD_NAME)",
  workloadName: "selector",
  workload: { kind: "selected" },
  selector: { matchLabels: { app: "shop" } },
});
const pending = ["shop-a Pending WorkloadUnresolved"];

describe("a pod that no row was made for and that may be of a member whose workload was never read", () => {
  const members = [unread("ApiError"), rest];
  test("gets no other member's name", () => {
    const planned = plan({ members, pods: [gated] });
    expect(actions(planned)).toEqual([]);
    expect(states(planned)).toEqual(pending);
  });
  test("gets the next member's when the API server said that there is no such kind", () =>
    expect(actions(plan({ members: [unread("KindNotFound"), rest], pods: [gated] }))).toEqual([`insert rest-shop-a for ${gated.uid}`]));
  test("gets the next member's when it is surely another workload's", () => {
    const others = pod({ controller: of("ReplicaSet", "blog-6f7c9d5b8") });
    expect(actions(plan({ members, pods: [others] }))).toEqual([`insert rest-shop-a for ${others.uid}`]);
  });
  test("keeps the next member's row that it has", () => {
    const row = rowOf(gated, { name: "rest-shop-a" });
    const planned = plan({ members, pods: [gated], rows: [row] });
    expect(actions(planned)).toEqual([]);
    expect(planned.desired.claimed.map(({ member: { name } }) => name)).toEqual(["rest"]);
  });
  test("is not given its predecessor's row, and is in nobody's way", () => {
    const planned = plan({ members: [unread("Forbidden")], pods: [gated], rows: [rowOf(ended({ uid: uid("before") }))] });
    expect(actions(planned).filter((action) => !action.startsWith("confirm"))).toEqual([]);
    expect(states(planned)).toContain("shop-a Pending WorkloadUnresolved");
  });
});

describe("a pod of an older WebFarm's workload that was never read", () => {
  const older = new Map([[gated.uid, farmKey("prod", "older")]]);
  test("gets no row", () => {
    const planned = plan({ unreadOlders: older, pods: [gated] });
    expect(actions(planned)).toEqual([]);
    expect(states(planned)).toEqual(pending);
  });
  test("keeps the row that it has", () =>
    expect(states(plan({ unreadOlders: older, pods: [gated], rows: [rowOf(gated)] }))).toEqual(["shop-a Registered Registered"]));
});

describe("the gate of a pod that waits for a workload that cannot be read", () => {
  const opened = (scene: Scene, boundMs: number, of: Pod = gated): readonly string[] => {
    const seen = observation({ pods: [of], ...scene });
    const remembered = memory({ boundSince: new Map([[of.uid, nowMs - boundMs]]) });
    return gatesToOpen(seen, remembered, planFarm(seen, remembered), authorityOf(seen)).open.map(({ reason }) => reason);
  };
  const observing = farm({ spec: { policy: "Observe" } });
  test.each<[string, Scene, Pod]>([
    ["of the farm's own", { members: [unread("ApiError")] }, gated],
    ["of a kind that is not known", { members: [unread("KindNotFound")] }, gated],
    ["of the farm's own, perhaps, whatever the policy", { members: [unread("ApiError")], farm: observing }, pod({ gate: "closed" })],
  ])("%s opens by failOpenSeconds, and not a millisecond before", (_what, scene, one) => {
    expect(opened(scene, 299_999, one)).toEqual([]);
    expect(opened(scene, 300_000, one)).toEqual(["FailOpen"]);
  });
  test("stays closed with failOpenSeconds 0", () => {
    const never = farm({ spec: { readinessGate: { failOpenSeconds: 0 } } });
    expect(opened({ members: [unread("ApiError")], farm: never }, 1e9)).toEqual([]);
  });
  test("stays closed where an older WebFarm has it, which opens it in time", () => {
    const unreadOlders = new Map([[gated.uid, farmKey("prod", "older")]]);
    for (const younger of [farm(), observing]) expect(opened({ unreadOlders, farm: younger }, 1e9)).toEqual([]);
  });
  test("of a custom resource opens at once where what controls it is another WebFarm's to say", () => {
    const rollout = { apiVersion: "argoproj.io/v1alpha1", kind: "Rollout", name: "shop" };
    const spec = { policy: "Observe" as const, members: [{ name: "live", workloadRef: rollout }] };
    const scene = { members: [unread("Forbidden")], farm: farm({ spec }) };
    expect(opened(scene, 0, pod({ gate: "closed", controller: of("StatefulSet", "shop-admin") }))).toEqual([]);
  });
  test("opens at once where the farm may not write and the pod says that it is its own", () =>
    expect(opened({ members: [unread("ApiError")], farm: observing }, 0)).toEqual(["Observe"]));
  test("opens as Registered with the row that was made before", () =>
    expect(opened({ members: [unread("ApiError")], rows: [rowOf(gated)] }, 0)).toEqual(["Registered"]));
  test("stays closed where the workload is not there", () =>
    expect(opened({ members: [member({ workload: { kind: "absent" }, selector: undefined })] }, 1e9)).toEqual([]));
});
