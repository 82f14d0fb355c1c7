// The operator as a process: what it does with an environment, a kubeconfig, an API server and signals, good or bad. It ends only for what
// no waiting can cure, and says everything that is wrong at once.

import { afterAll, beforeAll, expect, it } from "@jest/globals";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createFarmWorld } from "../world/farmWorld.ts";
import type { FarmWorld } from "../world/farmWorld.ts";
import { startOperatorProcess } from "../world/operatorProcess.ts";
import type { OperatorOptions, OperatorProcess } from "../world/operatorProcess.ts";
import { plantFarm } from "../world/plantedFarm.ts";
import { until } from "../world/until.ts";
import { wayTo } from "../world/wayTo.ts";

const limitMs = 300_000;

let world: FarmWorld;
let folder: string;
const started: OperatorProcess[] = [];
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "webfarm-process-"));
  world = await createFarmWorld({ operator: "absent" });
}, 240_000);
afterAll(async () => {
  await Promise.all(started.map((operator) => operator.kill()));
  await world.close();
  rmSync(folder, { recursive: true });
}, 180_000);

function start(options: OperatorOptions): OperatorProcess {
  const operator = startOperatorProcess(options);
  started.push(operator);
  return operator;
}

/** Of a process that must not do another's work. */
const idle = (): Readonly<Record<string, string>> => ({ WEBFARM_NAMESPACES: `${world.namespace}-none` });
const account = (): Promise<string> => world.cluster.serviceAccountKubeconfig({ namespace: "webfarm-system", name: "webfarm-operator" });
const statusOf = async (operator: OperatorProcess, path: string): Promise<string> => {
  const answer = await fetch(`${operator.url()}${path}`);
  return `${answer.status} ${await answer.text()}`;
};
const runs = (operator: OperatorProcess): Promise<void> =>
  until("the operator runs", () => operator.lines.some(({ message }) => message === "The operator runs"), {
    seen: () => operator.stderr(),
  });

it.concurrent(
  "names all that is wrong with its environment in one message and ends with 2",
  async () => {
    const operator = start({
      kubeconfigPath: join(folder, "none"),
      env: {
        WEBFARM_WORKERS: "many",
        WEBFARM_RESYNC_SECONDS: "1",
        WEBFARM_READ_ONLY: "yes",
        WEBFARM_NAMESPACE: "shop",
        WEBFARM_DB_PASSWORD: "Hidden-51c2",
        WEBFARM_OPERATOR_SERVICE_HOST: "10.0.0.1", // a service link is none of our variables
      },
    });
    expect(await operator.exited).toBe(2);
    const said = operator.stderr();
    for (const part of [
      /WEBFARM_WORKERS="many": must be a whole number from 1 to 64/,
      /WEBFARM_RESYNC_SECONDS="1": must be a whole number from 5 to 3600/,
      /WEBFARM_READ_ONLY="yes": must be true or false/,
      /WEBFARM_NAMESPACE="shop": unknown; the variables are .*WEBFARM_NAMESPACES/,
      /WEBFARM_DB_PASSWORD=\(not shown\): unknown/,
      /Cannot load a kubeconfig: .*none/,
    ])
      expect(said).toMatch(part);
    expect(said).toMatch(/has 5 problems/);
    expect(said).not.toContain("Hidden-51c2");
    expect(said).not.toContain("SERVICE_HOST");
    expect(operator.lines).toEqual([]);
  },
  limitMs,
);

it.concurrent.each([
  { what: "a kubeconfig that is not there", text: undefined },
  { what: "a kubeconfig that is no YAML", text: "{ clusters: [" },
  {
    what: "a kubeconfig without a cluster",
    text: JSON.stringify({ apiVersion: "v1", kind: "Config", clusters: [], users: [], contexts: [] }),
  },
])(
  "ends with 2 for $what",
  async ({ what, text }) => {
    const kubeconfigPath = join(folder, what.replaceAll(" ", "-"));
    if (text !== undefined) writeFileSync(kubeconfigPath, text);
    const operator = start({ kubeconfigPath });
    expect(await operator.exited).toBe(2);
    expect(operator.stderr()).toMatch(/kubeconfig/);
  },
  limitMs,
);

it.concurrent(
  "ends with 2 where there is neither a kubeconfig nor a pod's service account",
  async () => {
    const operator = start({ kubeconfigPath: "", env: { HOME: folder } });
    expect(await operator.exited).toBe(2);
    expect(operator.stderr()).toMatch(/kubeconfig/);
  },
  limitMs,
);

it.concurrent(
  "lives and waits while the API server is away, begins when it comes, and goes on after it was away again",
  async () => {
    const path = await account();
    await using way = await wayTo(world.cluster.url);
    const kubeconfigPath = join(folder, "by-the-way");
    writeFileSync(kubeconfigPath, readFileSync(path, "utf8").replaceAll(world.cluster.url, way.url));
    const operator = start({ kubeconfigPath, env: { WEBFARM_NAMESPACES: world.namespace, WEBFARM_LOG_LEVEL: "debug" } });
    await runs(operator);
    await until("it has noticed", async () => /^503 .*webfarms/s.test(await statusOf(operator, "/readyz")));
    expect(await statusOf(operator, "/livez")).toMatch(/^200 /);
    const farm = await plantFarm({ ...world, operator }, { name: "patient", replicas: 2 });
    await way.open();
    await farm.settled({ pods: 2, rows: 2, gate: "Registered" });
    await operator.ready();

    const before = await farm.rows();
    await way.close();
    await until("it has noticed", async () => (await statusOf(operator, "/readyz")).startsWith("503 "));
    expect(await statusOf(operator, "/livez")).toMatch(/^200 /);
    await farm.scale(3);
    await farm.until("only the gate of the third is shut", async () => (await farm.pods()).some(({ waitsForGate }) => waitsForGate));
    expect(await farm.rows()).toEqual(before);
    await way.open();
    await farm.settled({ pods: 3, rows: 3, gate: "Registered" });
    expect(operator.lines.filter(({ level, message }) => level === "error" && message !== "Reconcile failed")).toEqual([]);
    expect(await operator.stop()).toBe(0);
  },
  limitMs,
);

it.concurrent.each(["SIGTERM", "SIGINT"] as const)(
  "ends with 0 after %s, with the API server or without",
  async (signal) => {
    await using nowhere = await wayTo(world.cluster.url);
    const without = join(folder, `nowhere-${signal}`);
    const kubeconfigPath = await account();
    writeFileSync(without, readFileSync(kubeconfigPath, "utf8").replaceAll(world.cluster.url, nowhere.url));
    for (const path of [kubeconfigPath, without]) {
      const operator = start({ kubeconfigPath: path, env: idle() });
      await runs(operator);
      expect(await statusOf(operator, "/livez")).toMatch(/^200 /);
      operator.signal(signal);
      expect(await operator.exited).toBe(0);
      expect(operator.lines.at(-1)?.message).toBe("The operator has stopped");
    }
  },
  limitMs,
);

it.concurrent(
  "ends with 1 and says why where its address is taken",
  async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await until("the port is taken", () => server.listening);
    const { port } = server.address() as AddressInfo;
    const operator = start({ kubeconfigPath: await account(), env: { ...idle(), WEBFARM_HTTP_ADDRESS: `127.0.0.1:${port}` } });
    expect(await operator.exited).toBe(1);
    expect(operator.stderr() + JSON.stringify(operator.lines)).toMatch(new RegExp(`Cannot listen on 127\\.0\\.0\\.1:${port}`));
    server.close();
  },
  limitMs,
);
