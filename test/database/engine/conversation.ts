// Talks to an engine as one session, for the engine's own tests: sends a text, gives back rows, errors and counts.
import type { Parameter, ResponsePart, Session, SqlRequest, SqlType, SqlValue } from "../session.ts";
import { createEngine, defaultAdminPassword } from "./engine.ts";
import type { EngineOptions, TestEngine } from "./engine.ts";

export interface Answer {
  /** Of each result set, each row as an object. */
  readonly sets: readonly (readonly Readonly<Record<string, SqlValue>>[])[];
  /** Numbers of errors (class above 10), in order. */
  readonly errors: readonly number[];
  readonly messages: readonly string[];
  readonly counts: readonly (number | undefined)[];
  readonly parts: readonly ResponsePart[];
}

export interface Conversation {
  readonly session: Session;
  ask(text: string, parameters?: Readonly<Record<string, readonly [SqlType, SqlValue]>>, signal?: AbortSignal): Promise<Answer>;
  /** The first row of the last set. */
  one(text: string): Promise<Readonly<Record<string, SqlValue>>>;
  /** The first column of the last set. */
  column(text: string): Promise<readonly SqlValue[]>;
}

const never = new AbortController().signal;

export function converse(session: Session): Conversation {
  const send = async (request: SqlRequest, signal: AbortSignal): Promise<Answer> => read(await session.run(request, signal));
  const ask: Conversation["ask"] = async (text, parameters, signal = never) => {
    const list: Parameter[] = Object.entries(parameters ?? {}).map(([name, [type, value]]) => ({ name: `@${name}`, type, value }));
    return await send({ kind: parameters === undefined ? "batch" : "executesql", text, parameters: list }, signal);
  };
  const lastSet = async (text: string) => {
    const answer = await ask(text);
    if (answer.errors.length > 0) throw new Error(answer.messages.join("\n"));
    return answer.sets.at(-1) ?? [];
  };
  return {
    session,
    ask,
    one: async (text) => (await lastSet(text))[0] ?? {},
    column: async (text) => (await lastSet(text)).map((row) => Object.values(row)[0] ?? null),
  };
}

function read(parts: readonly ResponsePart[]): Answer {
  const errors = parts.flatMap((part) => (part.kind === "message" && part.message.class > 10 ? [part.message] : []));
  const sets = parts.flatMap((part) =>
    part.kind === "rows"
      ? [
          part.rows.map((row) =>
            Object.fromEntries(part.columns.map((column, i) => [column.name === "" ? `column${i}` : column.name, row[i] ?? null])),
          ),
        ]
      : [],
  );
  const counts = parts.flatMap((part) => (part.kind === "done" ? [part.rowCount] : []));
  return { sets, errors: errors.map((error) => error.number), messages: errors.map((error) => error.message), counts, parts };
}

export interface LoginOptions {
  readonly database?: string;
  readonly user?: string;
  readonly password?: string;
}

export function enter(
  engine: TestEngine,
  { database = "", user = "sa", password = defaultAdminPassword }: LoginOptions = {},
): Conversation {
  const answer = engine.login({ user, password, database, applicationName: "test", hostName: "here", readOnlyIntent: false });
  if ("refused" in answer) throw new Error(answer.refused.map((message) => message.message).join("\n"));
  return converse(answer.session);
}

/** An engine with one database, `farm`, and a session in it. */
export async function startFarm(options: EngineOptions & { readonly collation?: string; readonly snapshotReads?: "on" | "off" } = {}) {
  const engine = createEngine(options);
  const master = enter(engine);
  const collate = options.collation === undefined ? "" : ` COLLATE ${options.collation}`;
  await master.ask(
    `CREATE DATABASE [farm]${collate}; ALTER DATABASE [farm] SET READ_COMMITTED_SNAPSHOT ${options.snapshotReads === "off" ? "OFF" : "ON"};`,
  );
  return { engine, master, db: enter(engine, { database: "farm" }) };
}

export const servers = `CREATE TABLE dbo.Servers (
  ID int IDENTITY(1, 1) NOT NULL CONSTRAINT PK_Servers PRIMARY KEY NONCLUSTERED, Name nvarchar(10) NOT NULL, Guid uniqueidentifier NULL,
  Seen datetime NULL, Enabled bit NOT NULL CONSTRAINT DF_Enabled DEFAULT (1));
CREATE UNIQUE NONCLUSTERED INDEX IX_Name ON dbo.Servers (Name);
CREATE TABLE dbo.Bindings (ServerID int NOT NULL, TaskID int NOT NULL, CONSTRAINT PK_Bindings PRIMARY KEY CLUSTERED (ServerID, TaskID),
  CONSTRAINT FK_Server FOREIGN KEY (ServerID) REFERENCES dbo.Servers (ID));`;
