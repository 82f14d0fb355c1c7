import { describe, expect, test } from "@jest/globals";
import { hasEnded, isAlive } from "../../operator/farm/hasEnded.ts";
import { decodePod } from "../../operator/kubernetes/decodePod.ts";
import { deepFreeze } from "./build.ts";

const running = { running: { startedAt: "2026-01-01T10:00:00Z" } };
const terminated = { terminated: { exitCode: 1, reason: "Error" } };
const waiting = { waiting: { reason: "CrashLoopBackOff" } };

type Fields = Readonly<Record<string, unknown>>;

/** A manifest as the API server sends it: bound, one container. */
function manifest(changes: { readonly metadata?: Fields; readonly spec?: Fields; readonly status?: Fields }): unknown {
  return deepFreeze({
    metadata: { name: "shop-0", namespace: "prod", uid: "u-1", creationTimestamp: "2026-01-01T09:00:00Z", ...changes.metadata },
    spec: { nodeName: "node-1", containers: [{ name: "web" }], ...changes.spec },
    status: { phase: "Running", ...changes.status },
  });
}

const statuses = (...states: readonly Fields[]): Fields => ({
  containerStatuses: states.map((state, index) => ({ name: `web${index}`, state })),
});
const disruption = (reason: string, status = "True"): Fields => ({ conditions: [{ type: "DisruptionTarget", status, reason }] });
const deleted = { deletionTimestamp: "2026-01-01T10:00:30Z", deletionGracePeriodSeconds: 30 };
const sidecar = { initContainers: [{ name: "proxy", restartPolicy: "Always" }] };
const plainInit = { initContainers: [{ name: "migrate" }] };
const initStatus = (name: string, state: Fields): Fields => ({ initContainerStatuses: [{ name, state }] });

describe("a pod has ended", () => {
  test.each<[string, Parameters<typeof manifest>[0]]>([
    ["when it completed", { status: { phase: "Succeeded", ...statuses(terminated) } }],
    ["when it failed", { status: { phase: "Failed", ...statuses(terminated) } }],
    ["when it was evicted by its kubelet: Failed with no statuses at all", { status: { phase: "Failed", reason: "Evicted" } }],
    [
      "when its kubelet ended it for an eviction by the API",
      { metadata: deleted, status: { phase: "Failed", ...disruption("EvictionByEvictionAPI") } },
    ],
    [
      "when its kubelet ended it under node pressure",
      { status: { phase: "Failed", ...disruption("TerminationByKubelet"), ...statuses(terminated) } },
    ],
    ["when a graceful deletion reached its terminal phase", { metadata: deleted, status: { phase: "Succeeded", ...statuses(terminated) } }],
    [
      "when its sidecar ended too",
      { spec: sidecar, status: { phase: "Succeeded", ...statuses(terminated), ...initStatus("proxy", terminated) } },
    ],
    [
      "when only an ephemeral container reads running",
      { status: { phase: "Failed", ...statuses(terminated), ephemeralContainerStatuses: [{ name: "debug", state: running }] } },
    ],
    ["when only a plain init container reads running", { spec: plainInit, status: { phase: "Failed", ...initStatus("migrate", running) } }],
    ["when a DisruptionTarget of PodGC was taken back", { status: { phase: "Failed", ...disruption("DeletionByPodGC", "False") } }],
    ["when it was never bound and is being deleted", { metadata: deleted, spec: { nodeName: undefined }, status: { phase: "Pending" } }],
  ])("%s", (_what, changes) => {
    const pod = decodePod(manifest(changes));
    expect(hasEnded(pod)).toBe(true);
    expect(isAlive(pod)).toBe(false);
  });
});

describe("a pod has not ended", () => {
  test.each<[string, Parameters<typeof manifest>[0], "alive" | "not alive"]>([
    ["while it runs", { status: statuses(running) }, "alive"],
    ["while it starts, with no statuses at all", { status: { phase: "Pending" } }, "alive"],
    ["in a crash loop: its only container waits", { status: statuses(waiting) }, "alive"],
    ["between crash and restart: its only container reads terminated", { status: statuses(terminated) }, "alive"],
    ["while its phase is Unknown", { status: { phase: "Unknown" } }, "alive"],
    ["while an init container runs", { spec: plainInit, status: { phase: "Pending", ...initStatus("migrate", running) } }, "alive"],
    ["while it was never bound and nobody deletes it", { spec: { nodeName: undefined }, status: { phase: "Pending" } }, "alive"],
    ["while a graceful deletion is in progress", { metadata: deleted, status: statuses(running) }, "not alive"],
    [
      "while it is deleted and all its containers read terminated",
      { metadata: deleted, status: statuses(terminated, terminated) },
      "not alive",
    ],
    ["while it is deleted and has no statuses", { metadata: deleted, status: { phase: "Pending" } }, "not alive"],
    ["when Failed while a container reads running", { status: { phase: "Failed", ...statuses(terminated, running) } }, "not alive"],
    [
      "when Succeeded while a sidecar reads running",
      { spec: sidecar, status: { phase: "Succeeded", ...statuses(terminated), ...initStatus("proxy", running) } },
      "not alive",
    ],
    ["when PodGC said Failed", { status: { phase: "Failed", ...disruption("DeletionByPodGC") } }, "not alive"],
    [
      "when PodGC said Failed and deletes it",
      { metadata: deleted, status: { phase: "Failed", ...disruption("DeletionByPodGC") } },
      "not alive",
    ],
    [
      "when the taint manager deletes it",
      { metadata: deleted, status: { phase: "Failed", ...disruption("DeletionByTaintManager") } },
      "not alive",
    ],
  ])("%s", (_what, changes, alive) => {
    const pod = decodePod(manifest(changes));
    expect(hasEnded(pod)).toBe(false);
    expect(isAlive(pod)).toBe(alive === "alive");
  });
});
