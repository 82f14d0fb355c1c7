// Instances of the product that register themselves, one for each pod whose containers run: what Kentico does in Automatic mode, with
// generated servers, and always in Xperience by Kentico. An instance inserts its row, pings under the ServerID that it knows, and like a
// container that is stopped takes nothing with it when its pod ends. It never asks anybody whether it may.

import { setTimeout as pause } from "node:timers/promises";
import type { TestDatabase } from "../database/database.ts";
import type { PodSummary } from "./farmWorld.ts";
import { insertForeign, wholeRows } from "./wholeRow.ts";

export type InstancePod = Pick<PodSummary, "name" | "uid" | "phase" | "restarts" | "ending">;

export interface InstancesOptions {
  readonly database: TestDatabase;
  /** All pods of the workload, also those that end. */
  readonly pods: () => Promise<readonly InstancePod[]>;
  /** The name under which the instance of a pod runs; default the pod's. */
  readonly nameOf?: (pod: InstancePod) => string;
}

export interface Instances {
  /** Whether the instance of the pod with this UID has found or made its row: it makes none later, however busy the machine is. */
  readonly isRegistered: (uid: string) => boolean;
  /** Ends the looking and the pinging, once; rejects with what went wrong. */
  readonly stop: () => Promise<void>;
}

/** The product looks once a second and pings every 20 s; a story has no time for that. */
const everyMs = 250;

export function startInstances({ database, pods, nameOf = ({ name }) => name }: InstancesOptions): Instances {
  const known = new Map<string, number>(); // ServerID, by the UID of the pod and the number of its restarts
  const registered = new Set<string>(); // UIDs
  let isStopped = false;

  async function tick(pings: boolean): Promise<void> {
    const running = (await pods()).filter(({ phase }) => phase === "Running");
    // A ping takes its time from the look to the row: of a process that ends meanwhile it would come after the end, as it cannot in the product.
    // One look may be older than the end all the same; a farm whose rows are to go soon is to have a short removal.nodeLostSeconds.
    for (const pod of running) {
      const process = `${pod.uid} ${pod.restarts}`;
      const serverID = known.get(process) ?? (await register(database, nameOf(pod)));
      known.set(process, serverID);
      registered.add(pod.uid);
      // A row that was removed behind its back is not made anew: the instance goes on under the ServerID that it has.
      if (pings && !pod.ending)
        await database.adminQuery("INSERT INTO CMS_WebFarmServerMonitoring (ServerID, ServerPing) VALUES (@serverID, GETDATE())", {
          serverID,
        });
    }
  }

  async function run(): Promise<void> {
    const tables = await database.adminQuery("SELECT name FROM sys.tables WHERE name = N'CMS_WebFarmServerMonitoring'");
    while (!isStopped) {
      await tick(tables.length > 0);
      await pause(everyMs);
    }
  }

  const running = run();
  running.catch(() => undefined); // told by stop
  return {
    isRegistered: (uid) => registered.has(uid),
    stop: async () => {
      isStopped = true;
      await running;
    },
  };
}

/** The row of that name, as it is there or newly made: ServerID. */
async function register(database: TestDatabase, name: string): Promise<number> {
  const find = async (): Promise<number | undefined> => (await wholeRows(database)).find(({ ServerName }) => ServerName === name)?.ServerID;
  const found = await find();
  if (found !== undefined) return found;
  await insertForeign(database, { name, guid: crypto.randomUUID() });
  const made = await find();
  if (made === undefined) throw new Error(`Cannot find the row that the instance ${name} has just made`);
  return made;
}
