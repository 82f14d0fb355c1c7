// Which of two processes writes, and what becomes of it, on a real control plane: the leader is killed, stopped, paused in the middle of a
// pass, cut off; the lease is out of reach. A witness looks all the while whether a living pod loses its row. That two that write at once (the
// election switched off) do no harm stands in safety.cluster.test.ts. How long it takes is measured by make bench, not here.

import { afterAll, beforeAll, expect, it } from "@jest/globals";
import { readFileSync, writeFileSync } from "node:fs";
import type { SharedCluster } from "../cluster/shared.ts";
import { connectCluster } from "../cluster/shared.ts";
import { asksRealServer } from "../database/database.ts";
import type { ArrivedStatement, Faults } from "../database/faults.ts";
import { startOperatorProcess } from "../world/operatorProcess.ts";
import type { OperatorProcess } from "../world/operatorProcess.ts";
import { createRivals, leading, leads, masterStatus, notLeading, said, termBegan, waitsFor } from "../world/rivals.ts";
import type { Rivals } from "../world/rivals.ts";
import { story } from "../world/shopFarm.ts";
import type { OpenShopFarm, ShopFarm } from "../world/shopFarm.ts";
import { until } from "../world/until.ts";
import { wayTo } from "../world/wayTo.ts";

const limitMs = 300_000;
const foreign = [{ name: "ADMIN-01", guid: "3f2504e0-4f89-41d3-9a0c-0305e82c3301" }];
const isRegister = /INSERT INTO \[dbo\]\.\[CMS_WebFarmServer\]/;
const isWrite = /INSERT INTO \[|UPDATE s SET|DELETE (TOP|s) /;
/** A real server has no fault script and no record of what arrived. */
const itWithFaults = asksRealServer() ? it.skip : it.concurrent;

let cluster: SharedCluster;
const closing: (() => Promise<unknown>)[] = [];
beforeAll(async () => {
  cluster = await connectCluster();
}, 240_000);
afterAll(async () => {
  for (const close of closing) await close(); // also where a test ran out of time
  await cluster.close();
}, 240_000);

/** A story of processes of one world that compete for a lease; they end with it. */
function rivalry(tell: (open: OpenShopFarm, rivals: Rivals) => Promise<void>, rights?: "none"): () => Promise<void> {
  return async () => {
    const rivals = await createRivals(cluster, rights);
    closing.push(rivals.close);
    try {
      await story((open) => tell(open, rivals))();
    } finally {
      await rivals.close();
    }
  };
}

function faultsOf({ database }: ShopFarm): Faults {
  if (database.faults === undefined) throw new Error("A real server has no fault script");
  return database.faults;
}

const statementsOf = ({ pid }: OperatorProcess, { statements }: Faults): readonly ArrivedStatement[] =>
  statements.filter(({ processId }) => processId === pid);

const foreignRows = async (farm: ShopFarm): Promise<unknown> => (await farm.rows()).filter(({ ServerName }) => ServerName === "ADMIN-01");

itWithFaults(
  "a standby holds no session at the database, and takes over from a leader that is killed hard",
  rivalry(async (open, rivals) => {
    const farm = await open(rivals.world, { name: "killed", replicas: 2, foreign });
    const before = await foreignRows(farm);
    const first = await rivals.start("first");
    await leading(first);
    const second = await rivals.start("second");
    await farm.settled(2);
    await farm.scale(3); // both hear of it
    await farm.settled(3);
    await until("one of them says that it leads, and the other that it does not", async () =>
      ["0,1", "1,0"].includes([await masterStatus(first), await masterStatus(second)].join()),
    );
    const { leader, standby } = await rivals.standStill(first, second);
    const faults = faultsOf(farm);
    await until("only the leader has sessions", () => faults.sessionsOf(leader.pid) > 0 && faults.sessionsOf(standby.pid) === 0);
    const transitions = Number(await rivals.lease("leaseTransitions"));
    await leader.kill();
    standby.signal("SIGCONT");
    await farm.scale(4);
    await farm.settled(4);
    expect(statementsOf(standby, faults).filter(({ at }) => at < termBegan(standby, 0))).toEqual([]);
    await until("the other says that it leads", async () => (await masterStatus(standby)) === "1");
    expect([await rivals.lease("holderIdentity"), await rivals.lease("leaseTransitions")]).toEqual([
      standby.identity,
      `${transitions + 1}`,
    ]);
    expect(await foreignRows(farm)).toEqual(before);
  }),
  limitMs,
);

it.concurrent(
  "a leader that is asked to stop ends its passes and lets the lease go, and the other goes on",
  rivalry(async (open, rivals) => {
    const farm = await open(rivals.world, { name: "stopped", replicas: 2, foreign });
    const first = await rivals.start("first");
    await leading(first);
    const second = await rivals.start("second");
    await farm.settled(2);
    const { leader, standby } = await rivals.standStill(first, second);
    await leading(leader);
    await farm.scale(4);
    expect(await leader.stop()).toBe(0);
    expect(said(leader, "Released the lease")).toBe(1);
    expect(leader.lines.at(-1)?.message).toBe("The operator has stopped");
    expect(await rivals.lease("holderIdentity")).toBe("");
    standby.signal("SIGCONT");
    await leading(standby);
    await farm.settled(4);
    // A standby that is asked to stop leaves the leader alone.
    const third = await rivals.start("third");
    expect(await third.stop()).toBe(0);
    expect(said(third, "Released the lease")).toBe(leads(third) ? 1 : 0);
    await farm.scale(1);
    await farm.settled(1);
    await leading(standby);
    // The last one leaves a lease that nobody holds.
    expect(await standby.stop()).toBe(0);
    expect(await rivals.lease("holderIdentity")).toBe("");
    expect(standby.lines.filter(({ reason }) => reason === "somebody emptied the lease")).toEqual([]);
  }),
  limitMs,
);

itWithFaults(
  "a leader that is paused in the middle of a pass, and goes on when another leads, does no harm and starts no write",
  rivalry(async (open, rivals) => {
    const farm = await open(rivals.world, { name: "paused", kind: "StatefulSet", replicas: 2, foreign });
    const before = await foreignRows(farm);
    const faults = faultsOf(farm);
    const first = await rivals.start("first");
    await farm.settled(2);
    const held = faults.hold(isRegister, { attention: "unanswered" });
    await farm.scale(3);
    await held.reached;
    first.signal("SIGSTOP");
    const second = await rivals.start("second"); // only now: who leads until then is not for the clock to decide
    await leading(second);
    await farm.settled(3);
    // The name comes back with another pod while the paused process still means the one before.
    await farm.deletePod("paused-2");
    await farm.settled(3);
    const rows = await farm.rows();
    faults.forget();
    held.release();
    await held.finished;
    const terms = said(first, "Acquired the lease");
    first.signal("SIGCONT");
    await notLeading(first);
    await until("it waits for the other", () => waitsFor(first, second), { seen: () => first.lines.slice(-15) });
    expect(await farm.rows()).toEqual(rows);
    await farm.scale(1);
    await farm.settled(1);
    const nextTerm = termBegan(first, terms); // should the second have been held up
    expect(statementsOf(first, faults).filter(({ at, text }) => at < nextTerm && isWrite.test(text))).toEqual([]);
    await until("its metrics are those of a standby", async () => {
      const metrics = await first.metrics();
      return (await masterStatus(first)) === "0" && !metrics.includes("webfarm_servers{");
    });
    expect(await foreignRows(farm)).toEqual(before);
  }),
  limitMs,
);

it.concurrent(
  "a leader that is cut off from the API server ends its term, and stands by when the way is back",
  rivalry(async (open, rivals) => {
    const farm = await open(rivals.world, { name: "cut", replicas: 2, foreign });
    const way = await wayTo(cluster.url);
    closing.push(way.close);
    await way.open();
    const path = await rivals.kubeconfigPath();
    writeFileSync(path, readFileSync(path, "utf8").replaceAll(cluster.url, way.url));
    const first = await rivals.start("first", path);
    await farm.settled(2);
    await way.close();
    await notLeading(first);
    expect(first.lines.findLast(({ message }) => message === "Lost the lease")?.["reason"]).toBe("not renewed within 10000 ms");
    expect(await rivals.lease("holderIdentity")).toBe("first"); // for 15 s, and nobody has begun to count them
    expect((await fetch(`${first.url()}/livez`)).status).toBe(200);
    const second = await rivals.start("second");
    await leading(second);
    await farm.scale(3);
    await farm.settled(3);
    await way.open();
    await until("the first waits for the second", () => waitsFor(first, second), { seen: () => first.lines.slice(-15) });
    await first.ready();
    // And it can lead again.
    expect(await second.stop()).toBe(0);
    await leading(first);
    await farm.scale(2);
    await farm.settled(2);
  }),
  limitMs,
);

it.concurrent(
  "a container that was killed and comes back under its name takes its lease at once, also with a standby beside it",
  rivalry(async (open, rivals) => {
    const farm = await open(rivals.world, { name: "again", replicas: 1 });
    const first = await rivals.start("first");
    await leading(first);
    const second = await rivals.start("second");
    const { leader, standby } = await rivals.standStill(first, second);
    const transitions = await rivals.lease("leaseTransitions");
    await leader.kill();
    const again = await rivals.start(leader.identity);
    await leading(again);
    expect(said(again, "Waiting for the lease")).toBe(0);
    expect([await rivals.lease("holderIdentity"), await rivals.lease("leaseTransitions")]).toEqual([leader.identity, transitions]);
    standby.signal("SIGCONT");
    await farm.scale(2);
    await farm.settled(2);
  }),
  limitMs,
);

it.concurrent(
  "without rights on the lease it says which are missing, writes nothing, lives, and begins when it has them",
  rivalry(async (open, rivals) => {
    const farm = await open(rivals.world, { name: "barred", replicas: 1 });
    const operator = await rivals.start("only");
    const isRefusal = /needs get, list, watch, create and update of leases\.coordination\.k8s\.io in namespace/;
    await until("it has been refused twice", () => operator.lines.filter((line) => isRefusal.test(JSON.stringify(line))).length > 1);
    const warning = JSON.stringify(operator.lines.find(({ message }) => message === "The lease cannot be reached"));
    expect(isRefusal.test(warning) || /no answer within/.test(warning)).toBe(true); // a busy server may be late with its refusal
    await farm.until("only the gate is shut", async () => (await farm.pods()).some(({ waitsForGate }) => waitsForGate));
    expect(await farm.rows()).toEqual([]);
    expect((await fetch(`${operator.url()}/livez`)).status).toBe(200);
    await rivals.grant();
    await farm.settled(1);
    const news = operator.lines.map(({ message }) => message).filter((message) => /^The lease can(not)? be reached/.test(message));
    expect(news.filter((message, index) => message === news[index - 1])).toEqual([]); // each once, however often it changes
  }, "none"),
  limitMs,
);

it.concurrent(
  "ends with 2 where nothing says in which namespace the lease lives",
  async () => {
    const path = await cluster.serviceAccountKubeconfig({ namespace: "default", name: "default" });
    const kubeconfig = JSON.parse(readFileSync(path, "utf8")) as { contexts: { context: { namespace?: string } }[] };
    for (const { context } of kubeconfig.contexts) delete context.namespace;
    writeFileSync(path, JSON.stringify(kubeconfig));
    const start = (env: Readonly<Record<string, string>>): OperatorProcess => {
      const operator = startOperatorProcess({ kubeconfigPath: path, env: { WEBFARM_NAMESPACES: "nowhere", ...env } });
      closing.push(() => operator.kill());
      return operator;
    };
    const operator = start({ WEBFARM_LEADER_ELECTION: "true" });
    expect(await operator.exited).toBe(2);
    expect(operator.stderr()).toMatch(/WEBFARM_LEASE_NAMESPACE: must be set .*WEBFARM_LEADER_ELECTION=false/);
    const without = start({ WEBFARM_LEADER_ELECTION: "false" });
    await until("it runs", () => said(without, "The operator runs") === 1);
  },
  limitMs,
);
