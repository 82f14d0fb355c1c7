// Steps about databases on the real control plane: what people do to rows, and what becomes of a database as a whole.

import type { WholeRow } from "../../world/wholeRow.ts";
import type { ScenarioDatabase } from "./databases.ts";
import type { Deeds } from "./deeds.ts";
import type { Stage } from "./stage.ts";

type Kinds =
  | `row${"Inserted" | "Deleted" | "Renamed" | "Disabled" | "Enabled" | "Copied" | "Bound"}`
  | `database${"Saved" | "Restored" | "Copied" | "Gone" | "Back" | "Mode"}`;

const insert = `INSERT INTO CMS_WebFarmServer (ServerDisplayName, ServerName, ServerGUID, ServerLastModified, ServerEnabled, IsExternalWebAppServer)
  VALUES (@name, @name, @guid, '2026-01-02T03:04:05', 1, 0)`;
/** As the product makes them: a random UUID of version 4. */
const guidOf = (count: number): string => `2f1f7c0e-6a7c-4b1e-9d55-${String(count).padStart(12, "0")}`;
const fromOperators = { applicationName: /^webfarm-operator\//, times: Infinity } as const;

export const deedsOfDatabases: Deeds<Kinds> = {
  rowInserted: async (stage, { row, at }) => {
    const database = await stage.database(at?.database);
    await database.byPerson(insert, { name: serverName(stage, row), guid: guidOf(stage.count("row of a person")) });
  },
  rowDeleted: async (stage, { row, at }) =>
    await change(stage, { row, database: at?.database }, "DELETE FROM CMS_WebFarmServer WHERE ServerID = @id"),
  rowRenamed: async (stage, { row, name, at }) =>
    await change(
      stage,
      { row, database: at?.database },
      "UPDATE CMS_WebFarmServer SET ServerName = @name, ServerDisplayName = @name WHERE ServerID = @id",
      {
        name: serverName(stage, name),
      },
    ),
  rowDisabled: async (stage, { row, at }) =>
    await change(stage, { row, database: at?.database }, "UPDATE CMS_WebFarmServer SET ServerEnabled = 0 WHERE ServerID = @id"),
  rowEnabled: async (stage, { row, at }) =>
    await change(stage, { row, database: at?.database }, "UPDATE CMS_WebFarmServer SET ServerEnabled = 1 WHERE ServerID = @id"),
  rowCopied: async (stage, { row, name, at }) => {
    const database = await stage.database(at?.database);
    const { ServerGUID } = await rowOf(stage, database, row);
    await database.byPerson(insert, { name: serverName(stage, name), guid: ServerGUID });
  },
  rowBound: async (stage, { row, count, at }) =>
    await change(
      stage,
      { row, database: at?.database },
      `SET NOCOUNT ON; DECLARE @i int = 0, @task int; WHILE @i < @count BEGIN
        INSERT INTO CMS_WebFarmTask (TaskType) VALUES (N'x'); SET @task = SCOPE_IDENTITY();
        INSERT INTO CMS_WebFarmServerTask (ServerID, TaskID) VALUES (@id, @task); SET @i = @i + 1; END`,
      { count },
    ),
  databaseSaved: async (stage, { at }) => await (await stage.database(at?.database)).save(),
  databaseRestored: async (stage, { at }) => {
    if (!(await (await stage.database(at?.database)).restore())) throw new Error("The database was never saved");
  },
  databaseCopied: async (stage, { database, at }) => await (await stage.database(at?.database)).copyOver(await stage.database(database)),
  databaseGone: async (stage, { at }) => {
    const { name, faults } = await stage.database(at?.database);
    stage.note(`absence of ${name}`, faults.dropBefore(/./, fromOperators).remove);
    faults.refuseConnections(); // the scenario's own connections are open and stay
  },
  databaseBack: async (stage, { at }) => {
    const { name, faults } = await stage.database(at?.database);
    stage.undo(`absence of ${name}`);
    await faults.acceptConnections();
  },
  databaseMode: async (stage, { mode, at }) => {
    const database = await stage.database(at?.database);
    const value = mode === "none" ? null : mode;
    await database.byPerson("UPDATE CMS_SettingsKey SET KeyValue = @value WHERE KeyName = N'CMSWebFarmMode'", { value });
  },
};

/** A name of a pod in scenario files means the server of that pod, where there is one. */
const serverName = (stage: Stage, name: string): string => stage.book.all().findLast((pod) => pod.name === name)?.realName ?? name;

async function rowOf(stage: Stage, database: ScenarioDatabase, name: string): Promise<WholeRow> {
  const find = (): Promise<WholeRow | undefined> => database.rowNamed(serverName(stage, name));
  await stage.until(`there is a row ${name}`, async () => (await find()) !== undefined);
  return (await find()) as WholeRow;
}

async function change(
  stage: Stage,
  at: { readonly row: string; readonly database: string | undefined },
  sql: string,
  parameters: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const database = await stage.database(at.database);
  const { ServerID } = await rowOf(stage, database, at.row);
  await database.byPerson(sql, { ...parameters, id: ServerID });
}
