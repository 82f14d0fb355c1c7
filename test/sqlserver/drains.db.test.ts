// Removals of servers with many bindings: never more than 2,000 a request, alone by key, resumed without any memory, ended with the row.
import { afterEach, describe, expect, jest, test } from "@jest/globals";

import type { FarmDatabase } from "../../operator/sqlserver/farmDatabase.ts";
import { asksRealServer } from "../database/database.ts";
import { type KenticoVersion, kenticoVersions } from "../database/fixtures/kentico.ts";
import { type FarmRig, guid, never, openFarm } from "./farmRig.ts";

jest.setTimeout(240_000);

const rigs: FarmRig[] = [];
afterEach(async () => {
  for (const { close } of rigs.splice(0)) await close();
});

async function rig(version: KenticoVersion = "13"): Promise<FarmRig> {
  const opened = await openFarm({ database: { kentico: { version } } });
  rigs.push(opened);
  return opened;
}

const row = (serverID: number): { readonly serverID: number; readonly name: string; readonly guid: string } => ({
  ...{ serverID, name: `shop-${serverID}`, guid: guid(serverID) },
});
const names = (count: number): readonly (readonly [string, string])[] =>
  Array.from({ length: count }, (_, index) => [`shop-${index + 1}`, guid(index + 1)]);

/** The parameter @after of each request of one server, in order. */
const afters = ({ faults }: FarmRig): readonly unknown[] =>
  faults.statements
    .filter(({ text }) => text.includes("@reached") && text.includes("b.[TaskID] > @after"))
    .map(({ parameters }) => parameters.find(({ name }) => name.replace("@", "") === "after")?.value);

/** On a server that others run nobody tells what has arrived. */
function expectAfters(opened: FarmRig, expected: readonly number[]): void {
  if (!asksRealServer()) expect(afters(opened)).toEqual(expected);
}

describe.each(kenticoVersions)("version %s", (version) => {
  test("a long drain goes by key, and ends with the row", async () => {
    const opened = await rig(version);
    const { farm, insert, bind, rows, count } = opened;
    await insert(...names(2));
    await bind(1, 4_500);
    await bind(2, 1);
    expect(await farm.remove([row(1)], never)).toMatchObject({ bindings: 2_000, bindingsRemain: true });
    expect(await farm.remove([row(1)], never)).toMatchObject({ bindings: 2_000, bindingsRemain: true });
    expect(await farm.remove([row(1)], never)).toMatchObject({ bindings: 500, bindingsRemain: false });
    expectAfters(opened, [0, 2_000, 4_000]);
    expect((await rows()).map(({ serverID }) => serverID)).toEqual([2]);
    expect([await count("CMS_WebFarmServerTask"), await count("CMS_WebFarmTask")]).toEqual([1, 4_501]);
  });
});

async function drained(farm: FarmDatabase, removals: readonly ReturnType<typeof row>[]): Promise<number> {
  for (let calls = 1; calls <= 50; calls += 1) {
    const { bindingsRemain } = await farm.remove(removals, never);
    if (!bindingsRemain) return calls;
  }
  throw new Error("Cannot drain the servers in 50 calls");
}

test("exactly as many bindings as a request takes go with two", async () => {
  const { farm, insert, bind, rows } = await rig();
  await insert(...names(1));
  await bind(1, 2_000);
  expect(await farm.remove([row(1)], never)).toMatchObject({ bindings: 2_000, bindingsRemain: true });
  expect(await farm.remove([row(1)], never)).toMatchObject({ bindings: 0, bindingsRemain: false });
  expect(await rows()).toEqual([]);
});

test("bindings that come in behind are found by a last request from the front", async () => {
  const opened = await rig();
  const {
    farm,
    insert,
    bind,
    rows,
    test: { adminQuery },
  } = opened;
  await insert(...names(1));
  await bind(1, 2_500);
  await farm.remove([row(1)], never);
  // A task that was made long ago is bound only now.
  await adminQuery("INSERT INTO [dbo].[CMS_WebFarmServerTask] ([ServerID], [TaskID]) VALUES (1, 7);");
  expect(await farm.remove([row(1)], never)).toMatchObject({ bindings: 500, bindingsRemain: true });
  expect(await rows()).toHaveLength(1);
  expect(await farm.remove([row(1)], never)).toMatchObject({ bindings: 1, bindingsRemain: false });
  expect(await rows()).toEqual([]);
  expectAfters(opened, [0, 2_000, 0]);
});

test("the next leader goes on without any memory", async () => {
  const { farm, another, insert, bind, rows } = await rig();
  await insert(...names(1));
  await bind(1, 4_500);
  await farm.remove([row(1)], never);
  expect(await another().remove([row(1)], never)).toMatchObject({ bindings: 2_000, bindingsRemain: true });
  expect(await drained(farm, [row(1)])).toBeLessThanOrEqual(2);
  expect(await rows()).toEqual([]);
});

test("a row that becomes another pod's in the middle of its drain stays, with the bindings it has left", async () => {
  const { farm, insert, bind, rows, count } = await rig();
  await insert(...names(1));
  await bind(1, 2_500);
  await farm.remove([row(1)], never);
  await farm.mark([{ ...row(1), newGuid: guid(50) }], never);
  expect(await farm.remove([row(1)], never)).toMatchObject({ bindings: 0, bindingsRemain: false });
  expect(await rows()).toHaveLength(1);
  expect(await count("CMS_WebFarmServerTask")).toBe(500);
});

test("a server that has the ServerID of one that was drained before begins at the front", async () => {
  const opened = await rig();
  const {
    farm,
    insert,
    bind,
    test: { adminQuery },
  } = opened;
  await insert(...names(1));
  await bind(1, 2_500);
  await farm.remove([row(1)], never);
  await adminQuery("DELETE FROM [dbo].[CMS_WebFarmServerTask]; DELETE FROM [dbo].[CMS_WebFarmServer];");
  await farm.read(never);
  // As after a restore.
  await adminQuery(
    "SET IDENTITY_INSERT [dbo].[CMS_WebFarmServer] ON; INSERT INTO [dbo].[CMS_WebFarmServer] ([ServerID], [ServerDisplayName], [ServerName], [ServerGUID], [ServerLastModified], [ServerEnabled], [IsExternalWebAppServer]) VALUES (1, N'shop-1', N'shop-1', '00000000-0000-8000-8000-000000000001', GETDATE(), 1, 0); SET IDENTITY_INSERT [dbo].[CMS_WebFarmServer] OFF;",
  );
  await adminQuery("INSERT INTO [dbo].[CMS_WebFarmServerTask] ([ServerID], [TaskID]) VALUES (1, 7);");
  expect(await farm.remove([row(1)], never)).toMatchObject({ bindings: 1, bindingsRemain: false });
  expectAfters(opened, [0, 0]);
});

test("one long drain keeps the other servers no longer than four calls", async () => {
  const { farm, insert, bind, rows } = await rig();
  await insert(...names(30));
  await bind(1, 12_000);
  for (let serverID = 2; serverID <= 30; serverID += 1) await bind(serverID, 3);
  const removals = Array.from({ length: 30 }, (_, index) => row(index + 1));
  for (let call = 1; call <= 4; call += 1) await farm.remove(removals, never);
  expect((await rows()).map(({ serverID }) => serverID)).toEqual([1]);
  await drained(farm, removals);
  expect(await rows()).toEqual([]);
});

test("no request deletes more than 2,000 bindings, however many servers it takes", async () => {
  const { farm, insert, bind, count } = await rig();
  await insert(...names(5));
  for (let serverID = 1; serverID <= 5; serverID += 1) await bind(serverID, 1_000);
  const removals = Array.from({ length: 5 }, (_, index) => row(index + 1));
  expect(await farm.remove(removals, never)).toMatchObject({ bindings: 2_000, bindingsRemain: true });
  await drained(farm, removals);
  expect(await count("CMS_WebFarmServer")).toBe(0);
});
