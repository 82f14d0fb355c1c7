import { afterEach, describe, expect, test } from "@jest/globals";
import { type DatabaseServer, startDatabaseServer } from "../server.ts";
import { connect } from "./connect.ts";
import { createFakeEngine } from "./fakeEngine.ts";

let server: DatabaseServer | undefined;

afterEach(async () => {
  await server?.close();
  server = undefined;
});

describe("a session over the wire", () => {
  test("logs in, runs a query and ends with its connection", async () => {
    const engine = createFakeEngine();
    server = await startDatabaseServer({ engine });
    const pool = await connect(server);
    const result = await pool.request().query("SELECT 1");
    expect(result.recordset).toEqual([{ text: "SELECT 1" }]);
    await pool.close();
    await server.close();
    expect(engine.open()).toBe(0);
  });
});
