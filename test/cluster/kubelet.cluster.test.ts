// Our stages do to pods what a kubelet does, as far as the operator and its tests can see it. Whole histories are heard
// from the API server's watch, so that no state between two looks is missed.
import { readFileSync } from "node:fs";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { watchPods } from "../e2e/podWatch.ts";
import type { PodObject } from "../e2e/podLives.ts";
import { until } from "../world/until.ts";
import { connectCluster } from "./shared.ts";
import type { SharedCluster } from "./shared.ts";

interface ContainerStatus {
  readonly name: string;
  readonly ready: boolean;
  readonly restartCount: number;
  readonly state: {
    readonly running?: object;
    readonly waiting?: { readonly reason: string };
    readonly terminated?: { readonly exitCode: number; readonly reason: string };
  };
  readonly lastState?: { readonly terminated?: { readonly exitCode: number } };
}

interface Pod {
  readonly metadata: { readonly name: string; readonly uid: string; readonly resourceVersion: string; readonly deletionTimestamp?: string };
  readonly spec: { readonly nodeName?: string };
  readonly status: {
    readonly phase: string;
    readonly reason?: string;
    readonly podIP?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly reason?: string }[];
    readonly initContainerStatuses?: readonly ContainerStatus[];
    readonly containerStatuses?: readonly ContainerStatus[];
  };
}

interface PodShape {
  readonly annotations?: Readonly<Record<string, string>>;
  readonly spec?: object;
}

type State = Pod & { readonly gone: boolean };

const limitMs = 300_000;

let cluster: SharedCluster;
let namespace: string;
/** What the watch told of each pod of the namespace, oldest first. */
let heard: State[];
let problem: unknown;
let endWatch: () => void;
beforeAll(async () => {
  cluster = await connectCluster();
}, 240_000);
beforeEach(async () => {
  namespace = await cluster.namespace();
  heard = [];
  problem = undefined;
  const states = heard;
  const hear = (pod: PodObject, gone: boolean): void => void states.push({ ...(pod as unknown as Pod), gone });
  endWatch = await watchPods({ url: cluster.url, directory: cluster.directory, token: adminToken() }, namespace, {
    there: (pod) => hear(pod, false),
    gone: (pod) => hear(pod, true),
    failed: (error) => (problem = error),
  });
}, limitMs);
afterEach(() => endWatch());
afterAll(() => cluster.close());

const gate = "webfarm.dev/registered";

function kubectl(...args: readonly string[]): Promise<string> {
  return cluster.kubectl(["--namespace", namespace, ...args]);
}

async function create(name: string, { annotations = {}, spec = {} }: PodShape = {}): Promise<void> {
  const pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, annotations },
    spec: { containers: [{ name: "web", image: "shop" }], ...spec },
  };
  await cluster.kubectl(["--namespace", namespace, "create", "-f", "-"], { input: JSON.stringify(pod) });
}

async function read(name: string): Promise<Pod> {
  return JSON.parse(await kubectl("get", "pod", name, "-o", "json")) as Pod;
}

function waitFor(name: string, condition: string): Promise<string> {
  return kubectl("wait", `pod/${name}`, `--for=${condition}`, "--timeout=120s");
}

/** Of what does not happen by itself. */
const aYearMs = "31536000000";

const phaseIs = (phase: string): string => `jsonpath={.status.phase}=${phase}`;

/** Every state of the pod up to the present one, oldest first; the deletion is the last one with `gone`. */
async function history(name: string): Promise<readonly State[]> {
  const version = await kubectl("get", "pod", name, "--ignore-not-found", "-o", "jsonpath={.metadata.resourceVersion}");
  const isHeard = ({ gone, metadata }: State): boolean => (version === "" ? gone : metadata.resourceVersion === version);
  return await historyWith(name, isHeard);
}

/** Every state of the pod, as soon as one of them is such. */
async function historyWith(name: string, isSuch: (state: State) => boolean): Promise<readonly State[]> {
  const states = (): readonly State[] => heard.filter(({ metadata }) => metadata.name === name);
  await until(`the watch has told enough of pod ${name}`, () => problem !== undefined || states().some(isSuch), { timeoutMs: 120_000 });
  if (problem !== undefined) throw new Error("The pods cannot be watched", { cause: problem });
  return states();
}

function adminToken(): string {
  const { users } = JSON.parse(readFileSync(cluster.kubeconfigPath, "utf8")) as { users: readonly { user: { token: string } }[] };
  return users[0]?.user.token ?? "";
}

function condition(pod: Pod, type: string): string | undefined {
  return pod.status.conditions?.find((candidate) => candidate.type === type)?.status;
}

function web(pod: Pod): ContainerStatus | undefined {
  return pod.status.containerStatuses?.[0];
}

const isRunning = (status: ContainerStatus): boolean => status.state.running !== undefined;

describe("the start of a pod", () => {
  it(
    "makes the three pods of a Deployment Ready, each with its own IP",
    async () => {
      await kubectl("create", "deployment", "shop", "--image=shop", "--replicas=3");
      await kubectl("rollout", "status", "deployment/shop", "--timeout=120s");
      const ips = (await kubectl("get", "pods", "-o", "jsonpath={.items[*].status.podIP}")).split(" ");
      expect(new Set(ips).size).toBe(3);
      for (const ip of ips) expect(ip).toMatch(/^10\.244\.\d+\.\d+$/);
    },
    limitMs,
  );

  it(
    "leaves a pod with a gate not Ready until its condition is True, and takes Ready back with it",
    async () => {
      await create("gated", { spec: { readinessGates: [{ conditionType: gate }] } });
      await waitFor("gated", "condition=ContainersReady");
      const closed = await read("gated");
      expect(condition(closed, "Ready")).toBe("False");
      expect(closed.status.conditions?.find(({ type }) => type === "Ready")?.reason).toBe("ReadinessGatesNotReady");

      expect((await history("gated")).some((pod) => condition(pod, "Ready") === "True")).toBe(false);

      await setGate("gated", "True");
      await waitFor("gated", "condition=Ready");
      expect(condition(await read("gated"), gate)).toBe("True");

      await setGate("gated", "False");
      await waitFor("gated", "condition=Ready=False");
    },
    limitMs,
  );

  it(
    "has a pod whose gate opened before its containers were ready Ready without another look",
    async () => {
      await create("early", { spec: { readinessGates: [{ conditionType: gate }] }, annotations: { "kubelet.test/start-ms": aYearMs } });
      await waitFor("early", "jsonpath={.status.podIP}");
      await setGate("early", "True");
      await kubectl("annotate", "--overwrite", "pod", "early", "kubelet.test/start-ms=0");
      await waitFor("early", "condition=Ready");
      expect((await history("early")).some((pod) => condition(pod, gate) === "True" && condition(pod, "ContainersReady") === "False")).toBe(
        true,
      );
    },
    limitMs,
  );

  it(
    "completes init containers, keeps sidecars running and has an IP before any container runs",
    async () => {
      const initContainers = [
        { name: "prepare", image: "x" },
        { name: "side", image: "x", restartPolicy: "Always" },
      ];
      await create("full", { spec: { initContainers } });
      await waitFor("full", "condition=Ready");
      const states = await history("full");
      expect(states.some((pod) => pod.status.podIP !== undefined && pod.status.phase === "Pending")).toBe(true);
      const [prepare, side] = states.at(-1)?.status.initContainerStatuses ?? [];
      expect(prepare?.state.terminated).toMatchObject({ exitCode: 0, reason: "Completed" });
      expect(side?.state.running).toBeDefined();
    },
    limitMs,
  );

  it(
    "takes the time that the annotation says",
    async () => {
      const began = Date.now();
      await create("slow", { annotations: { "kubelet.test/start-ms": "2500" } });
      await waitFor("slow", "condition=Ready");
      expect(Date.now() - began).toBeGreaterThanOrEqual(2500);
    },
    limitMs,
  );
});

describe("the end of a pod", () => {
  it(
    "sets the terminal phase with every container ended before the object goes",
    async () => {
      await create("ending", { spec: { initContainers: [{ name: "side", image: "x", restartPolicy: "Always" }] } });
      await waitFor("ending", "condition=Ready");
      await kubectl("delete", "pod", "ending");
      const states = await history("ending");
      const phases = states.map(
        (pod) => `${pod.metadata.deletionTimestamp === undefined ? "" : "deleted "}${pod.gone ? "gone " : ""}${pod.status.phase}`,
      );
      expect([...new Set(phases)].slice(-3)).toEqual(["deleted Running", "deleted Succeeded", "deleted gone Succeeded"]);
      const ended = states.at(-2);
      expect([...(ended?.status.initContainerStatuses ?? []), ...(ended?.status.containerStatuses ?? [])].some(isRunning)).toBe(false);
      expect(web(ended as Pod)?.state.terminated).toMatchObject({ exitCode: 0, reason: "Completed" });
    },
    limitMs,
  );

  it(
    "takes the time that the annotation says and fails with its exit code",
    async () => {
      await create("killed", { annotations: { "kubelet.test/stop-ms": "1500", "kubelet.test/stop-exit-code": "137" } });
      await waitFor("killed", "condition=Ready");
      const began = Date.now();
      await kubectl("delete", "pod", "killed");
      expect(Date.now() - began).toBeGreaterThanOrEqual(1500);
      const last = (await history("killed")).at(-1) as Pod;
      expect(last.status.phase).toBe("Failed");
      expect(web(last)?.state.terminated?.exitCode).toBe(137);
    },
    limitMs,
  );

  it(
    "fails a pod that is deleted before a container ran",
    async () => {
      await create("unborn", { annotations: { "kubelet.test/start-ms": aYearMs } });
      await waitFor("unborn", "jsonpath={.status.podIP}");
      await kubectl("delete", "pod", "unborn");
      expect((await history("unborn")).at(-1)).toMatchObject({ gone: true, status: { phase: "Failed" } });
    },
    limitMs,
  );

  it(
    "gives a StatefulSet's successor the name only after the predecessor has ended",
    async () => {
      const selector = { matchLabels: { app: "set" } };
      const template = { metadata: { labels: { app: "set" } }, spec: { containers: [{ name: "web", image: "shop" }] } };
      const set = {
        apiVersion: "apps/v1",
        kind: "StatefulSet",
        metadata: { name: "set" },
        spec: { replicas: 1, serviceName: "set", selector, template },
      };
      await cluster.kubectl(["--namespace", namespace, "create", "-f", "-"], { input: JSON.stringify(set) });
      await kubectl("rollout", "status", "statefulset/set", "--timeout=120s");
      await kubectl("delete", "pod", "set-0");
      await waitFor("set-0", "create"); // what the StatefulSet's status says may be older
      await waitFor("set-0", "condition=Ready");
      const states = await history("set-0");
      const gone = states.filter((pod) => pod.gone);
      expect(gone).toHaveLength(1);
      expect(gone[0]?.status.phase).toBe("Succeeded");
      const after = states.slice(states.findIndex((pod) => pod.gone) + 1);
      expect(after.length).toBeGreaterThan(0);
      expect(after.every((pod) => pod.metadata.uid !== gone[0]?.metadata.uid && pod.metadata.deletionTimestamp === undefined)).toBe(true);
    },
    limitMs,
  );
});

describe("the annotation kubelet.test/behave", () => {
  async function behave(name: string, behaviour: string): Promise<void> {
    await kubectl("annotate", "--overwrite", "pod", name, `kubelet.test/behave=${behaviour}`);
  }

  async function createReady(name: string, shape: PodShape = {}): Promise<void> {
    await create(name, shape);
    await waitFor(name, "condition=Ready");
  }

  it(
    "crash: ends the container with 1 and runs it again, once, while the pod stays Running",
    async () => {
      await createReady("crashing", {
        spec: {
          containers: [
            { name: "web", image: "shop" },
            { name: "other", image: "x" },
          ],
        },
      });
      await behave("crashing", "crash");
      await waitFor("crashing", "jsonpath={.status.containerStatuses[0].restartCount}=1");
      const states = await history("crashing");
      expect(states.map((pod) => pod.status.phase).lastIndexOf("Pending")).toBeLessThan(
        states.findIndex((pod) => pod.status.phase === "Running"),
      );
      const crashed = states.find((pod) => web(pod)?.state.terminated !== undefined);
      expect(crashed?.status.phase).toBe("Running");
      expect(web(crashed as Pod)).toMatchObject({ ready: false, restartCount: 0, state: { terminated: { exitCode: 1, reason: "Error" } } });
      expect(condition(crashed as Pod, "Ready")).toBe("False");
      const last = await read("crashing");
      expect(web(last)).toMatchObject({ ready: true, restartCount: 1, lastState: { terminated: { exitCode: 1 } } });
      expect(last.status.containerStatuses?.[1]).toMatchObject({ name: "other", restartCount: 0, ready: true });
      expect(condition(last, "Ready")).toBe("True");
    },
    limitMs,
  );

  it(
    "crash-loop: crashes again and again with CrashLoopBackOff",
    async () => {
      await create("looping", { annotations: { "kubelet.test/behave": "crash-loop" } });
      const states = await historyWith("looping", (pod) => web(pod)?.restartCount === 2);
      expect(states.some((pod) => web(pod)?.state.waiting?.reason === "CrashLoopBackOff")).toBe(true);
    },
    limitMs,
  );

  it(
    "unready: runs on while its readiness fails, and is Ready again without the annotation",
    async () => {
      await createReady("unready");
      await behave("unready", "unready");
      await waitFor("unready", "condition=Ready=False");
      const pod = await read("unready");
      expect(web(pod)).toMatchObject({ ready: false, restartCount: 0 });
      expect(web(pod)?.state.running).toBeDefined();
      expect(condition(pod, "ContainersReady")).toBe("False");
      await kubectl("annotate", "pod", "unready", "kubelet.test/behave-");
      await waitFor("unready", "condition=Ready");
      expect(web(await read("unready"))).toMatchObject({ ready: true, restartCount: 0 });
    },
    limitMs,
  );

  it(
    "evict: fails the pod as the kubelet does, and leaves its object",
    async () => {
      await createReady("evicted");
      await behave("evicted", "evict");
      await waitFor("evicted", phaseIs("Failed"));
      const pod = await read("evicted");
      expect(pod.status.reason).toBe("Evicted");
      expect(pod.status.conditions?.find(({ type }) => type === "DisruptionTarget")).toMatchObject({
        status: "True",
        reason: "TerminationByKubelet",
      });
      expect(pod.status.containerStatuses?.some(isRunning)).toBe(false);
      expect(pod.metadata.deletionTimestamp).toBeUndefined();
    },
    limitMs,
  );

  it.each([
    ["complete", "Succeeded", 0],
    ["fail", "Failed", 1],
  ])(
    "%s: ends the pod by itself in phase %s",
    async (behaviour, phase, exitCode) => {
      await createReady("finishing");
      await behave("finishing", behaviour);
      await waitFor("finishing", phaseIs(phase));
      const pod = await read("finishing");
      expect(web(pod)?.state.terminated?.exitCode).toBe(exitCode);
      expect(condition(pod, "Ready")).toBe("False");
    },
    limitMs,
  );

  it(
    "hang: runs without ever being ready, and does not end when it is deleted",
    async () => {
      await create("hanging", { annotations: { "kubelet.test/behave": "hang" } });
      await waitFor("hanging", phaseIs("Running"));
      await kubectl("delete", "pod", "hanging", "--wait=false");
      // A pod that ends in the meantime shows that the kubelet was at work.
      await createReady("other");
      await kubectl("delete", "pod", "other");
      const states = await history("hanging");
      expect(states.some((pod) => condition(pod, "Ready") === "True")).toBe(false);
      expect(states.at(-1)).toMatchObject({ gone: false, status: { phase: "Running" } });
      // It ends as soon as it does not hang any more.
      await kubectl("annotate", "pod", "hanging", "kubelet.test/behave-");
      await waitFor("hanging", "delete");
    },
    limitMs,
  );

  it(
    "node-lost: nothing happens to the pod any more until it is deleted by force",
    async () => {
      await createReady("lost", { spec: { readinessGates: [] } });
      await behave("lost", "node-lost");
      await kubectl("delete", "pod", "lost", "--wait=false");
      await createReady("other");
      await kubectl("delete", "pod", "other");
      const states = await history("lost");
      expect(states.at(-1)).toMatchObject({ gone: false, status: { phase: "Running" } });
      expect(web(states.at(-1) as Pod)?.state.running).toBeDefined();
      await kubectl("delete", "pod", "lost", "--grace-period=0", "--force");
      expect((await history("lost")).at(-1)).toMatchObject({ gone: true, status: { phase: "Running" } });
    },
    limitMs,
  );
});

async function setGate(name: string, status: string): Promise<void> {
  const patch = JSON.stringify({ status: { conditions: [{ type: gate, status }] } });
  await kubectl("patch", "pod", name, "--subresource=status", "--type=strategic", "--patch", patch);
}
