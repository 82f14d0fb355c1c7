// The contract: everything that the operator's statements rely on in the server, in one list. It runs nothing.
//
// Not here, and why: the collation of a value of a row of VALUES behind which stands no COLLATE, in a column that has not its database's
// (not documented, so no text relies on it); table variables, MERGE, OPENJSON, OUTPUT (334), savepoints and cursors (no text has them); the order of rows without
// ORDER BY (that there is none cannot be shown, and no text relies on one); plans and their reuse (not to be seen by what comes back); errors
// that cannot be brought about without harm (9002, 1105, 701, 976 and others of a server in distress): operator/sqlserver/errorRules.ts.
import type { Behaviour } from "../behaviour.ts";
import { catalogue } from "./catalogue.ts";
import { locks } from "./locks.ts";
import { sessions } from "./sessions.ts";
import { values } from "./values.ts";
import { writes } from "./writes.ts";

export const contract: readonly Behaviour[] = [...writes, ...values, ...sessions, ...locks, ...catalogue];
