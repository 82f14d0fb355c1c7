// The least that any operator must do, as a process of its own like the operator: a bare watch of one pod, a GET where the pod has ended,
// and the operator's own statement on one open connection. It checks nothing, repeats nothing and remembers one row.

import { randomUUID } from "node:crypto";
import mssql from "mssql";
import { catalogues } from "../../operator/sqlserver/catalogues.ts";
import { shapeOf } from "../../operator/sqlserver/shape.ts";
import { register, remove } from "../../operator/sqlserver/statements.ts";
import { openApi } from "./api.ts";
import type { ApiTarget, RawPod } from "./api.ts";
import { hasEnded } from "./pods.ts";

export const floorName = "webfarm-bench-floor";

export interface FloorOptions {
  readonly api: ApiTarget;
  readonly namespace: string;
  readonly database: mssql.config;
}

const { api: target, namespace, database } = JSON.parse(process.env["BENCH_FLOOR"] ?? "{}") as FloorOptions;
const reading = shapeOf("dbo", catalogues["13"]);
if (reading.kind === "unknown") throw new Error(`Cannot make the statements: ${reading.missing.join(", ")}`);
const statements = { register: register(reading.shape, 1).sql, remove: remove(reading.shape, 1).sql };

const api = openApi(target);
const pool = await new mssql.ConnectionPool({
  ...database,
  validateConnection: "socket",
  pool: { min: 1, max: 1 },
  options: { ...database.options, appName: floorName },
}).connect();
const states = new Map<string, "registered" | "removed">(); // by UID
const rows = new Map<string, { readonly id: number; readonly guid: string }>(); // by UID

async function insert({ metadata }: RawPod): Promise<void> {
  const guid = randomUUID();
  const { recordsets } = await pool
    .request()
    .input("n0", mssql.NVarChar(100), metadata.name)
    .input("g0", mssql.UniqueIdentifier(), guid)
    .input("most", mssql.Int(), null)
    .input("ping", mssql.Int(), 0)
    .query<{ serverID: number; name: string }>(statements.register);
  const row = (recordsets as { serverID: number; name: string }[][])[0]?.find(({ name }) => name === metadata.name);
  if (row === undefined) throw new Error(`Cannot find the row of ${metadata.name} in what was read back`);
  rows.set(metadata.uid, { id: row.serverID, guid });
}

async function erase({ metadata }: RawPod): Promise<void> {
  await api.json({ method: "GET", path: `/api/v1/namespaces/${namespace}/pods/${metadata.name}` });
  const row = rows.get(metadata.uid);
  if (row === undefined) throw new Error(`Cannot remove the row of ${metadata.name} as there is none`);
  rows.delete(metadata.uid);
  await pool
    .request()
    .input("i0", mssql.Int(), row.id)
    .input("n0", mssql.NVarChar(100), metadata.name)
    .input("g0", mssql.UniqueIdentifier(), row.guid)
    .input("p0", mssql.Int(), null)
    .input("after", mssql.Int(), 0)
    .query(statements.remove);
}

await api.watch(`/api/v1/namespaces/${namespace}/pods?watch=true`, ({ type, object }) => {
  const { uid } = object.metadata;
  const state = states.get(uid);
  if (type === "DELETED") states.delete(uid);
  else if (state === undefined && object.spec.nodeName !== undefined) {
    states.set(uid, "registered");
    void insert(object);
  } else if (state === "registered" && hasEnded(object)) {
    states.set(uid, "removed");
    void erase(object);
  }
});
process.stdout.write("ready\n");
