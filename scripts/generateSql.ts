// Writes docs/sql.md and docs/permissions/ (with a copy in the chart), for the database administrator who has to approve the operator: each statement with its
// reason, its locks and its size, and each grant with its reason. With --check it writes nothing and fails when a file is not fresh.
// What it says of the texts it takes from them; what they are sent for, and the locks, are written here.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { catalogues, type SchemaName, schemas } from "../operator/sqlserver/catalogues.ts";
import { permissionScript } from "../operator/sqlserver/permissions.ts";
import { type Shape, shapeOf } from "../operator/sqlserver/shape.ts";
import { allStatements, limits, type Statement } from "../operator/sqlserver/statements.ts";

interface Explanation {
  readonly reason: string;
  readonly when: string;
  readonly locks: string;
  readonly size: string;
}

const root = join(import.meta.dirname, "..");

const titles: Readonly<Record<SchemaName, string>> = {
  "6": "Kentico 6",
  "7": "Kentico 7",
  "8.2": "Kentico 8",
  "10": "Kentico 9 and 10",
  "11": "Kentico 11",
  "12": "Kentico 12",
  "13": "Kentico Xperience 13",
  xbyk: "Xperience by Kentico",
};

/** By the name of the statement without its size. */
export const explanations: Readonly<Record<string, Explanation>> = {
  probe: {
    reason: "The tables are never assumed from a version: this says which tables, columns, foreign keys and permissions there are.",
    when: "Once for each set of connections, then once an hour, and again after an error that says that the tables are not as they were found (207, 208, 213, 515). While a permission is missing, at most once a minute.",
    locks: "None on rows. It reads the catalogue.",
    size: "About 50 rows.",
  },
  read: {
    reason:
      "The rows of all servers are compared with the pods. The newest ping of a server tells whether it lives, the settings whether writing rows is right at all.",
    when: "Every 30 seconds for each WebFarm that has pods, and before a change. A farm without pods and rows is not asked at all after 10 minutes.",
    locks: "None with READ_COMMITTED_SNAPSHOT. Without it a shared lock on each row while it is read; none is kept.",
    size: `At most ${limits.rows + 1} rows of CMS_WebFarmServer, one row for each server with pings, seven settings.`,
  },
  register: {
    reason:
      "A pod was bound to a node (and has an address, where the table has ServerURL): its server must be there before it gets traffic.",
    when: "When pods start. All that start together travel in one request.",
    locks:
      "One transaction. For each name an update lock on its key range in CMS_WebFarmServer, also where there is no row yet, so that the name is added once even without a unique index; exclusive locks on the new rows. With a limit (@most) an update lock on each row of CMS_WebFarmServer and the ranges between, until the commit. With @ping, an exclusive lock on one new row of CMS_WebFarmServerMonitoring for each new server.",
    size: "1, 16 or 200 servers; what is over is NULL. @most: enabled rows that the table may have afterwards (the licence), or NULL. @ping: 1 gives each new row that has no ping the newest of the table, so that it is not reported as not responding before it starts.",
  },
  mark: {
    reason: "A row that is the operator's is given to the next pod of its name, or a pod has another address.",
    when: "When the pod of a name was replaced, or (where the table has ServerURL) its address changed.",
    locks:
      "An update lock, then an exclusive lock on each row that is as it was read and is to change. Rows that are already so are not touched.",
    size: "1 or 16 rows.",
  },
  remove: {
    reason: `The pod is gone, so nobody fetches the tasks of its server, and each change of content makes more of them. At most ${limits.bindings} of its bindings go, and the row when there is none left. CMS_WebFarmTask is never deleted from.`,
    when: "When the pod that a row was made for is known to be gone. A server with more bindings is come back to, at low priority, 2,000 a request.",
    locks: `One transaction. An update lock on each server's row (it lets the foreign-key checks of the site's inserts through), exclusive row locks on at most ${limits.bindings} bindings (below the 5,000 at which SQL Server escalates to the table), then an exclusive lock on each row that goes and a key-range lock on the place where its bindings were.`,
    size: "1, 8 or 100 rows. One alone goes by key: its bindings above @after, in the order of TaskID, so that a long drain does not read again and again what it has deleted. @p: only while that is the server's newest ping.",
  },
  conflict: {
    reason:
      "A name was not added and is not to be found: to the database it equals another (case, accents, width, trailing blanks). This says which.",
    when: "After a register, for each such name; again at the earliest after 30 seconds.",
    locks: "As a read.",
    size: "One row.",
  },
  sweep: {
    reason:
      "Pings, log rows and search tasks of a server have no foreign key and would stay for ever. Where the foreign key of the bindings is disabled, the site may add bindings to a server that is gone.",
    when: "After a server's removal, once; in the next two passes too where the foreign key is disabled.",
    locks: `Each DELETE is a transaction of its own with exclusive locks on at most ${limits.leftovers} rows. READPAST: rows that others have locked are passed over, not waited for; with READ_COMMITTED_SNAPSHOT it needs READCOMMITTEDLOCK beside it. That leaves no place for ROWLOCK (Microsoft's page on table hints allows one of the two), so the server may take locks on pages, and wait for one as long as for any lock. Nothing of a server that is there.`,
    size: `16 servers; at most ${limits.leftovers} rows of each table a request, repeated while there are more.`,
  },
};

/** What the driver sends at each login. A test compares it with what arrives. */
export const loginBatch = [
  "set ansi_nulls on",
  "set ansi_null_dflt_on on",
  "set ansi_padding on",
  "set ansi_warnings on",
  "set arithabort on",
  "set concat_null_yields_null on",
  "set datefirst 7",
  "set dateformat mdy",
  "set implicit_transactions off",
  "set language us_english",
  "set numeric_roundabort off",
  "set quoted_identifier on",
  "set textsize 2147483647",
  "set transaction isolation level read committed",
  "set xact_abort off",
].join("\n");

/** The files by their paths from the root of the repository. */
export function generatedFiles(): Readonly<Record<string, string>> {
  const scripts = schemas.flatMap((schema) =>
    // The chart's notes print it, and a chart takes nothing from outside its folder.
    ["docs", "charts/webfarm-operator/files"].map((folder) => [`${folder}/permissions/${schema}.sql`, permissionFile(schema)] as const),
  );
  return { "docs/sql.md": sqlPage(), ...Object.fromEntries(scripts) };
}

function permissionFile(schema: SchemaName): string {
  return [
    `-- What webfarm-operator needs in a database of ${titles[schema]}, and why. Generated (make generate): the operator asks for exactly this.`,
    "-- Put the schema of your tables for [dbo], and the user's name for [webfarm-operator], if they are others.",
    permissionScript("dbo", catalogues[schema]),
  ].join("\n");
}

function sqlPage(): string {
  return [
    "# What the operator sends to the database",
    "",
    "For the database administrator who has to approve it. This page is generated from the code (`make generate`); `npm run --silent statements` prints every text in full, one JSON object a line, for each generation of the product.",
    "",
    "- No other text is ever sent, but for the batch of settings below that the driver (tedious) sends once at each login. Each travels as a parameterised request (`sp_executesql`); no value becomes part of a text, and the names in it are those that the catalogue gave.",
    "- Where an optional table or grant is missing, the part of a text that needs it is left out. Where the column of a server's name or URL has another collation than the database, `COLLATE` and the column's collation stand behind each value that is compared with it (`v.n`, `v.u`, `@n0`). Nothing else varies.",
    "- The operator makes no object in the database, changes no schema, and calls no stored procedure of the product.",
    "- The texts are those that SQL Server 2008 and later all know.",
    "- Sessions have the application name `webfarm-operator/<version> <namespace>/<name of the WebFarm>`; there are at most two for each database and login, closed after a minute without need.",
    "- Every write repeats in its condition what was read: a row that has changed since is not touched, however late the statement runs. Repeating it changes nothing.",
    "- Parameters have fixed lengths, and rows of parameters come in a few sizes, so the plan cache gets one plan for each text below.",
    "",
    "Every text begins with its session's settings: it waits at most 1.5 seconds for a lock, is the victim of any deadlock with the site, and an error ends its transaction.",
    "",
    fenced(firstLine(statementsOf("13")[0])),
    "",
    "At each login the driver sends one batch of its own. It changes nothing but the session:",
    "",
    fenced(loginBatch),
    "",
    "What the operator's user needs, by generation, each grant with its reason: " +
      schemas.map((schema) => `[${titles[schema]}](permissions/${schema}.sql)`).join(", ") +
      ". Where an optional one is missing, the operator does without and says so in the WebFarm's status.",
    "",
    ...kinds().flatMap((kind) => section(kind)),
    "## How large the texts are",
    "",
    "Characters of each text, by generation; behind the stroke the number of its parameters.",
    "",
    ...sizeTable(),
    "",
  ].join("\n");
}

function section(kind: string): readonly string[] {
  const explanation = explanations[kind];
  if (explanation === undefined) throw new Error(`Cannot explain ${kind}: write what it is sent for in scripts/generateSql.ts`);
  return [
    `## ${kind}`,
    "",
    `- **Why**: ${explanation.reason}`,
    `- **When**: ${explanation.when}`,
    `- **Locks**: ${explanation.locks}`,
    `- **Size**: ${explanation.size}`,
    "",
    ...texts(kind),
  ];
}

/** The smallest of its kind, once for each form that the generations give it. */
function texts(kind: string): readonly string[] {
  const forms = new Map<string, SchemaName[]>();
  for (const schema of schemas) {
    const sql = statementsOf(schema).find(({ name }) => kindOf(name) === kind)?.sql ?? "";
    forms.set(sql, [...(forms.get(sql) ?? []), schema]);
  }
  return [...forms].flatMap(([sql, of]) => [
    ...(forms.size === 1 ? [] : [`${of.map((schema) => titles[schema]).join(", ")}:`, ""]),
    fenced(sql.split("\n").slice(1).join("\n")),
    "",
  ]);
}

function sizeTable(): readonly string[] {
  const names = [...new Set(schemas.flatMap((schema) => statementsOf(schema).map(({ name }) => name)))];
  const cell = (schema: SchemaName, name: string): string => {
    const sql = statementsOf(schema).find((one) => one.name === name)?.sql;
    return sql === undefined ? "" : `${sql.length} / ${parametersOf(sql).size}`;
  };
  return [
    `| text | ${schemas.map((schema) => titles[schema]).join(" | ")} |`,
    `| --- | ${schemas.map(() => "---:").join(" | ")} |`,
    ...names.map((name) => `| ${name} | ${schemas.map((schema) => cell(schema, name)).join(" | ")} |`),
  ];
}

/** Names with an @ that the text does not declare itself. */
function parametersOf(sql: string): ReadonlySet<string> {
  const declared = new Set(sql.match(/(?<=DECLARE [^;]*)@\w+/g));
  return new Set((sql.match(/(?<!@)@\w+/g) ?? []).filter((name) => !declared.has(name)));
}

const kinds = (): readonly string[] => [...new Set(statementsOf("13").map(({ name }) => kindOf(name)))];
const kindOf = (name: string): string => name.replace(/\d+$/, "");
const firstLine = (statement: Statement | undefined): string => statement?.sql.split("\n")[0] ?? "";
const fenced = (sql: string): string => `\`\`\`sql\n${sql}\n\`\`\``;

function statementsOf(schema: SchemaName): readonly Statement[] {
  return allStatements(shape(schema));
}

function shape(schema: SchemaName): Shape {
  const reading = shapeOf("dbo", catalogues[schema]);
  if (reading.kind === "unknown") throw new Error(`Cannot print the statements of ${schema}: ${reading.missing.join(", ")}`);
  return reading.shape;
}

async function main(args: readonly string[]): Promise<void> {
  for (const [path, text] of Object.entries(generatedFiles())) {
    const file = join(root, path);
    const found = await readFile(file, "utf8").catch(() => undefined);
    if (found === text) continue;
    if (args.includes("--check")) {
      console.error(`${path} is not fresh: run \`make generate\` (node scripts/generateSql.ts)`);
      process.exitCode = 1;
    } else {
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, text);
    }
  }
}

if (import.meta.main) await main(process.argv.slice(2));
