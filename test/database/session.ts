// The border between the wire (TDS) and the engine (T-SQL): the wire opens one Session for each connection and prints what it
// answers; the engine knows nothing of sockets, the wire nothing of SQL.

/** SQL types that cross the border. `length` is in characters (nvarchar) or bytes (varbinary); -1 means max. */
export type SqlType =
  | { readonly name: "bit" | "int" | "bigint" | "uniqueidentifier" | "datetime" }
  | { readonly name: "datetime2"; readonly scale: number }
  | { readonly name: "nvarchar" | "varbinary"; readonly length: number };

/** A value of a SqlType: bit boolean; int number; bigint bigint; uniqueidentifier upper-case text with dashes; nvarchar string;
 *  varbinary bytes; datetime and datetime2 as `Ticks` (100 ns since 0001-01-01, without a time zone). */
export type SqlValue = null | boolean | number | bigint | string | Uint8Array | Ticks;
export interface Ticks {
  readonly ticks: bigint;
}

export interface Column {
  readonly name: string;
  readonly type: SqlType;
  readonly nullable: boolean;
}

export interface Parameter {
  readonly name: string; // with its @
  readonly type: SqlType;
  readonly value: SqlValue;
}

/** A message of the server; `class` (severity) above 10 makes it an error. Numbers and texts are SQL Server's. */
export interface SqlMessage {
  readonly number: number;
  readonly state: number;
  readonly class: number;
  readonly message: string;
  readonly line: number;
}

/** What a request answers, in order. `done` closes each statement; its count is absent under NOCOUNT. */
export type ResponsePart =
  | { readonly kind: "rows"; readonly columns: readonly Column[]; readonly rows: readonly (readonly SqlValue[])[] }
  | { readonly kind: "done"; readonly rowCount?: number; readonly inTransaction: boolean }
  | { readonly kind: "message"; readonly message: SqlMessage }
  | { readonly kind: "transaction"; readonly event: "begun" | "committed" | "rolledBack"; readonly descriptor: bigint }
  | { readonly kind: "database"; readonly before: string; readonly after: string };

/** A batch (`parameters` empty), or sp_executesql with its parameters declared and given. */
export interface SqlRequest {
  readonly kind: "batch" | "executesql";
  readonly text: string;
  readonly parameters: readonly Parameter[];
}

export interface LoginRequest {
  readonly user: string;
  readonly password: string;
  readonly database: string; // empty: the login's default
  readonly applicationName: string;
  readonly hostName: string;
  /** Of the client, on its own host. */
  readonly processId?: number;
  readonly readOnlyIntent: boolean;
  /** Of Microsoft Entra, in place of user and password, which are then empty. */
  readonly token?: string;
}

export interface Session {
  readonly id: number; // what @@SPID says
  readonly login: LoginRequest;
  readonly database: string;
  /** Runs one request to its end. Attention (`signal`) ends it early with an empty answer: the open transaction stays open unless
   *  XACT_ABORT is ON, as on SQL Server. Never rejects for a SQL error: those are parts of the answer. */
  run(request: SqlRequest, signal: AbortSignal): Promise<readonly ResponsePart[]>;
  /** The client is gone: rolls back what is open and frees its locks. */
  close(): void;
}

export interface Engine {
  /** A session, or the messages that refuse the login (18456, 4060). */
  login(request: LoginRequest): { readonly session: Session } | { readonly refused: readonly SqlMessage[] };
}
