// That a session of the contract begins with the settings on which its sentences rest, whatever the server gives to every session.
import { afterEach, expect, test } from "@jest/globals";
import { createEngine, defaultAdminPassword } from "../database/engine/engine.ts";
import { intercepted } from "../database/intercepted.ts";
import { type DatabaseServer, startDatabaseServer } from "../database/server.ts";
import type { Engine } from "../database/session.ts";
import { addressOf, configFor } from "./address.ts";
import { contract } from "./behaviours/all.ts";
import { casesOf, runCase } from "./run.ts";
import { openServer } from "./server.ts";
import { openSession } from "./session.ts";

let server: DatabaseServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});
const start = async (engine: Engine): Promise<DatabaseServer> => (server = await startDatabaseServer({ engine }));
const address = ({ host, port }: DatabaseServer) => addressOf(`mssql://sa:${defaultAdminPassword}@${host}:${port}/?encrypt=false`);

/** As if a server gave each session options of its own, and the driver set none of them: it leaves NOCOUNT out, others may leave out more. */
const withUserOptions = (engine: Engine, options: string): Engine =>
  intercepted(engine, async (session, sent, signal) => {
    const parts = await session.run(sent, signal);
    if (sent.text.startsWith("set ")) await session.run({ kind: "batch", text: options, parameters: [] }, signal);
    return parts;
  });

const unlike = "SET NOCOUNT, XACT_ABORT ON; SET LOCK_TIMEOUT 7;";
const titles = [
  "Without SET NOCOUNT ON each write tells its count, with it none does",
  "What SET changes inside sp_executesql is undone at its end",
  "A refused row without XACT_ABORT ends its statement only; with it, batch and transaction",
  "A request that the client cancels leaves its transaction open without XACT_ABORT, and nothing of it with XACT_ABORT",
  "INSERT … SELECT of no rows inserts none and is no error",
];

test("what rests on settings holds on a server that gives every session others", async () => {
  const asked = await openServer(address(await start(withUserOptions(createEngine(), unlike))));
  try {
    const cases = casesOf(contract).filter(({ title }) => titles.includes(title));
    expect(cases).toHaveLength(titles.length);
    for (const one of cases) expect(await runCase(asked, one)).toMatchObject({ title: one.title, verdict: "held", because: "" });
  } finally {
    await asked.close();
  }
});

test("an option that the server does not know keeps none of the others from being set", async () => {
  const { faults, ...started } = await start(withUserOptions(createEngine(), unlike));
  faults.fail(/SET ANSI_NULLS/, { number: 33_557_097, message: "It is not supported here" }, { times: Infinity });
  const session = await openSession(configFor(address({ faults, ...started }), "master"));
  try {
    expect(await session.row("SELECT @@LOCK_TIMEOUT AS t")).toEqual({ t: -1 });
  } finally {
    await session.close();
  }
});
