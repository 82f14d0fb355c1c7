// The databases of one scenario: Kentico 13 on an engine and an endpoint of its own, without pings, as no process runs that could send them. What
// people do to rows goes through here, so that the judge can tell their deeds from the operator's.

import { openTestDatabase } from "../../database/database.ts";
import type { Credentials, TestDatabase } from "../../database/database.ts";
import type { CommittedChange } from "../../database/engine/commits.ts";
import type { Faults } from "../../database/faults.ts";
import { operatorGrants } from "../../database/fixtures/kentico.ts";
import { wholeRows } from "../../world/wholeRow.ts";
import type { WholeRow } from "../../world/wholeRow.ts";

export interface ScenarioDatabase {
  readonly name: string;
  /** Of a login with the operator's documented rights. */
  readonly connectionString: string;
  readonly faults: Faults;
  readonly rows: () => Promise<readonly WholeRow[]>;
  readonly rowNamed: (server: string) => Promise<WholeRow | undefined>;
  /** Runs a person's statement. */
  readonly byPerson: (sql: string, parameters?: Readonly<Record<string, unknown>>) => Promise<void>;
  readonly save: () => Promise<void>;
  /** Back to what was saved; false: nothing was. */
  readonly restore: () => Promise<boolean>;
  readonly copyOver: (other: ScenarioDatabase) => Promise<void>;
  /** All rows are these from now on. */
  readonly overwrite: (rows: readonly WholeRow[]) => Promise<void>;
  readonly close: () => Promise<void>;
}

const monitoring = "CMS_WebFarmServerMonitoring";

export interface ScenarioDatabaseOptions {
  /** Called for every commit; a person's while a person's statement runs. */
  readonly onCommit: (change: CommittedChange, by: "operator" | "person") => void;
}

export async function openScenarioDatabase(name: string, { onCommit }: ScenarioDatabaseOptions): Promise<ScenarioDatabase> {
  let persons = 0;
  const database = await openTestDatabase({
    kentico: { version: "13", mode: "2" },
    engine: { onCommit: (change) => onCommit(change, persons > 0 ? "person" : "operator") },
  });
  const connectionString = database.connectionStringFor(await loginWithoutPings(database));
  const { faults } = database;
  if (faults === undefined) throw new Error("Scenarios need a database server with a fault script: unset MSSQL_URL");
  let saved: readonly WholeRow[] | undefined;
  const rows = (): Promise<readonly WholeRow[]> => wholeRows(database);
  const byPerson = async (sql: string, parameters: Readonly<Record<string, unknown>> = {}): Promise<void> => {
    persons += 1;
    try {
      await database.adminQuery(sql, parameters);
    } finally {
      persons -= 1;
    }
  };
  const overwrite = async (wanted: readonly WholeRow[]): Promise<void> => {
    const inserts = wanted.map((_, index) => {
      const at = (column: string): string => `@${column}${index}`;
      return `INSERT INTO CMS_WebFarmServer (ServerID, ServerDisplayName, ServerName, ServerGUID, ServerLastModified, ServerEnabled, IsExternalWebAppServer)
        VALUES (${["id", "name", "name", "guid"].map(at).join(", ")}, '2026-01-02T03:04:05', ${at("enabled")}, 0);`;
    });
    const parameters = wanted.flatMap((row, index) => [
      [`id${index}`, row.ServerID] as const,
      [`name${index}`, row.ServerName] as const,
      [`guid${index}`, row.ServerGUID] as const,
      [`enabled${index}`, row["ServerEnabled"]] as const,
    ]);
    await byPerson(
      `DELETE FROM CMS_WebFarmServerTask; DELETE FROM CMS_WebFarmServer; SET IDENTITY_INSERT CMS_WebFarmServer ON; ${inserts.join("\n")}
       SET IDENTITY_INSERT CMS_WebFarmServer OFF;`,
      Object.fromEntries(parameters),
    );
  };
  return {
    ...{ name, connectionString, faults, rows, byPerson, overwrite },
    rowNamed: async (server) => (await rows()).find(({ ServerName }) => ServerName.toLowerCase() === server.toLowerCase()),
    save: async () => void (saved = await rows()),
    restore: async () => {
      if (saved === undefined) return false;
      await overwrite(saved);
      return true;
    },
    copyOver: async (other) => await other.overwrite(await rows()),
    close: async () => {
      faults.clear();
      await faults.acceptConnections();
      await database.close();
    },
  };
}

async function loginWithoutPings(database: TestDatabase): Promise<Credentials> {
  await database.adminQuery(`DROP TABLE ${monitoring}`);
  return await database.createLogin(Object.fromEntries(Object.entries(operatorGrants("13")).filter(([table]) => table !== monitoring)));
}
