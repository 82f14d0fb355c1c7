// The ports of a pass as a leader may use them: each write asks first whether it may start, in the same turn in which it would be sent. A
// process that was stopped for a minute runs the next line of its pass before its timers, so no flag that a timer sets would do. Reads pass.
import { NotLeading, type MayWrite } from "../controller/mayWrite.ts";
import type { Cluster, Databases, FarmDatabase } from "./ports.ts";

export function guardedCluster(cluster: Cluster, mayWrite: MayWrite): Cluster {
  return {
    ...cluster,
    openGate: guarded(mayWrite, "open a gate", cluster.openGate),
    patchStatus: guarded(mayWrite, "write a status", cluster.patchStatus),
    addFinalizer: guarded(mayWrite, "set the finalizer", cluster.addFinalizer),
    removeFinalizer: guarded(mayWrite, "take the finalizer off", cluster.removeFinalizer),
  };
}

export function guardedDatabases(databases: Databases, mayWrite: MayWrite): Databases {
  return {
    release: databases.release,
    use: (key, material) => {
      const use = databases.use(key, material);
      return use.kind === "refused" ? use : { kind: "usable", database: guardedDatabase(use.database, mayWrite) };
    },
  };
}

function guardedDatabase(database: FarmDatabase, mayWrite: MayWrite): FarmDatabase {
  return {
    ...database,
    register: guarded(mayWrite, "register servers", database.register),
    mark: guarded(mayWrite, "mark servers", database.mark),
    remove: guarded(mayWrite, "remove servers", database.remove),
    sweep: guarded(mayWrite, "sweep after removed servers", database.sweep),
  };
}

function guarded<Args extends readonly unknown[], Answer>(
  mayWrite: MayWrite,
  what: string,
  write: (...args: Args) => Promise<Answer>,
): (...args: Args) => Promise<Answer> {
  return (...args) => (mayWrite() ? write(...args) : Promise.reject(new NotLeading(what)));
}
