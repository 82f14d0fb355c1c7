// Databases that are not quite as the product made them: tables that are not there, columns that nobody has seen, other collations, a
// database that may only be read. What can be done is done; where a write would be a guess, nothing is written and the cause is named.
import { afterEach, describe, expect, jest, test } from "@jest/globals";

import { whereTaken } from "../database/database.ts";
import type { KenticoVersion } from "../database/fixtures/kentico.ts";
import { type FarmRig, guid, never, openFarm, server } from "./farmRig.ts";

jest.setTimeout(240_000);

const rigs: FarmRig[] = [];
afterEach(async () => {
  for (const { close } of rigs.splice(0)) await close();
});

interface Made {
  readonly without?: readonly string[];
  readonly collation?: string;
}

async function rig(version: KenticoVersion, { without = [], collation }: Made = {}): Promise<FarmRig> {
  const opened = await openFarm({ database: { ...(collation !== undefined && { collation }), kentico: { version, without } } });
  rigs.push(opened);
  return opened;
}

/** Adds a row, marks it, removes it, sweeps: what is left of the table at each step. */
async function oneLife({ farm }: FarmRig): Promise<readonly unknown[]> {
  const added = await farm.register([{ ...server("shop-Izmir-0", 1), url: "http://a" }], never, { mostServers: 9, copiesPing: true });
  const [row] = added.read.rows;
  const as = { serverID: row?.serverID ?? 0, name: row?.name ?? "" };
  const marked = await farm.mark([{ ...as, guid: guid(1), newGuid: guid(2), url: "http://b" }], never);
  const removed = await farm.remove([{ ...as, guid: guid(2) }], never);
  await farm.sweep([as], never);
  return [added, marked, removed].map(({ read, refused }) => [read.rows.map((one) => one.guid), refused]);
}
const wholeLife = [
  [[guid(1)], []],
  [[guid(2)], []],
  [[], []],
];

describe.each([
  ["13", "CMS_WebFarmServerMonitoring"],
  ["13", "CMS_WebFarmServerLog"],
  ["13", "CMS_SearchTask"],
  ["13", "CMS_SettingsKey"],
  ["7", "CMS_SearchTask"],
  ["7", "CMS_SettingsKey"],
  ["xbyk", "CMS_WebFarmServerLog"],
] as const)("version %s without %s", (version, table) => {
  test("is used all the same, and the note does not pretend that the table is there", async () => {
    const opened = await rig(version, { without: [table] });
    const { notes, hasPings } = await opened.farm.facts(never);
    expect(notes.filter((note) => note.includes(table)).every((note) => note.endsWith("where the table is there."))).toBe(true);
    expect(notes.join(" ")).toContain(table);
    expect(hasPings).toBe(version !== "7" && table !== "CMS_WebFarmServerMonitoring");
    expect((await opened.farm.read(never)).settings?.kind).toBe(table === "CMS_SettingsKey" ? "unreadable" : "read");
    expect(await oneLife(opened)).toEqual(wholeLife);
  });
});

describe.each(["SQL_Latin1_General_CP1_CI_AS", "Latin1_General_CS_AS", "Latin1_General_BIN2", "Latin1_General_CI_AI", "Turkish_CI_AS"])(
  "collation %s",
  (collation) => {
    test.each(["6", "10", "13", "xbyk"] as const)(
      "version %s is known, with no complaint, and its rows live and go",
      whereTaken(async (version) => {
        const opened = await rig(version, { collation });
        expect((await opened.farm.facts(never)).notes.filter((note) => !note.startsWith("Encrypt="))).toEqual([]);
        expect(await oneLife(opened)).toEqual(wholeLife);
      }),
    );
  },
);

describe("a shape that nobody has seen", () => {
  const refused = (column: string): object => ({
    problem: { kind: "schema", reason: "ShapeNotSupported", stalled: true, message: expect.stringContaining(column) },
    outcome: "notApplied",
  });

  test.each(["6", "8.2", "10", "13", "xbyk"] as const)(
    "version %s with a column that needs a value is named, and nothing is written",
    async (version) => {
      const {
        farm,
        rows,
        test: { adminQuery },
      } = await rig(version);
      await adminQuery("ALTER TABLE [dbo].[CMS_WebFarmServer] ADD [ServerRegion] int NOT NULL;");
      await expect(farm.facts(never)).rejects.toMatchObject(refused("a value for CMS_WebFarmServer.ServerRegion"));
      await expect(farm.register([server("shop-0")], never)).rejects.toMatchObject(refused("ServerRegion"));
      expect(await rows()).toEqual([]);
    },
  );

  test("with a column that has a default or may be NULL is none of them", async () => {
    const opened = await rig("13");
    await opened.test.adminQuery(
      "ALTER TABLE [dbo].[CMS_WebFarmServer] ADD [ServerRegion] int NOT NULL CONSTRAINT [DF_R] DEFAULT (7), [ServerNote] nvarchar(20) NULL;",
    );
    expect(await oneLife(opened)).toEqual(wholeLife);
  });

  test("a renamed column is named by both its names", async () => {
    const {
      farm,
      test: { adminQuery },
    } = await rig("13");
    await adminQuery("ALTER TABLE [dbo].[CMS_WebFarmServer] DROP COLUMN [ServerGUID];");
    await adminQuery("ALTER TABLE [dbo].[CMS_WebFarmServer] ADD [ServerIdentity] uniqueidentifier NOT NULL;");
    await expect(farm.facts(never)).rejects.toMatchObject(
      refused("column CMS_WebFarmServer.ServerGUID, a value for CMS_WebFarmServer.ServerIdentity"),
    );
  });

  test("that comes while the operator runs is found out by the first row that the server refuses", async () => {
    const {
      farm,
      rows,
      test: { adminQuery },
    } = await rig("13");
    await farm.facts(never);
    await adminQuery("ALTER TABLE [dbo].[CMS_WebFarmServer] ADD [ServerRegion] int NOT NULL;");
    expect((await farm.register([server("shop-0")], never)).refused).toMatchObject([{ name: "shop-0", problem: { number: 515 } }]);
    await expect(farm.register([server("shop-0")], never)).rejects.toMatchObject(refused("ServerRegion"));
    expect(await rows()).toEqual([]);
  });
});

test("a database that may only be read is no place to write, and is told from one without grants", async () => {
  const {
    farm,
    test: { adminQuery, database },
  } = await rig("13");
  await adminQuery(`ALTER DATABASE [${database}] SET READ_ONLY WITH ROLLBACK IMMEDIATE;`);
  await expect(farm.facts(never)).rejects.toMatchObject({ problem: { kind: "readOnly", reason: "ReadOnly", stalled: false } });
  await adminQuery(`ALTER DATABASE [${database}] SET READ_WRITE WITH ROLLBACK IMMEDIATE;`);
  expect(await farm.facts(never)).toMatchObject({ product: "12-13" });
});
