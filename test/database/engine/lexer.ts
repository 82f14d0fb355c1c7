// Cuts a batch into tokens, with the line of each. It refuses characters and literals outside the grammar, and nothing else.
import { syntaxError } from "./errors.ts";

export interface Token {
  readonly kind: "word" | "quoted" | "variable" | "string" | "number" | "binary" | "symbol" | "end";
  readonly text: string; // of a quoted identifier or a string: its content
  readonly upper: string; // of a word: in capitals, else empty
  readonly start: number;
  readonly end: number;
  readonly line: number;
}

const pattern =
  /(?<blank>\s+|--[^\n]*)|(?<comment>\/\*)|(?<string>N?'(?:[^']|'')*')|(?<quoted>\[(?:[^\]]|\]\])+\]|"(?:[^"]|"")+")|(?<binary>0x[0-9a-f]*)|(?<decimal>\d+\.\d*|\.\d+|\d+e[+-]?\d+)|(?<number>\d+)|(?<variable>@@?[\p{L}_][\p{L}\p{N}_@#$]*)|(?<word>[\p{L}_][\p{L}\p{N}_@#$]*)|(?<symbol><>|<=|>=|!=|::|[(),;.=<>+\-*/%])/iuy;

export function tokenize(text: string): readonly Token[] {
  const tokens: Token[] = [];
  let position = 0;
  let line = 1;
  while (position < text.length) {
    pattern.lastIndex = position;
    const match = pattern.exec(text);
    const groups = match?.groups;
    if (match === null || groups === undefined || groups["decimal"] !== undefined) {
      throw syntaxError(match?.[0] ?? text.slice(position, position + 1), text.slice(position, position + 80), line);
    }
    const start = position;
    position = groups["comment"] === undefined ? pattern.lastIndex : endOfComment(text, start, line);
    const kind = (["string", "quoted", "binary", "number", "variable", "word", "symbol"] as const).find(
      (name) => groups[name] !== undefined,
    );
    if (kind !== undefined) {
      const content = contentOf(kind, match[0]);
      tokens.push({ kind, text: content, upper: kind === "word" ? content.toUpperCase() : "", start, end: position, line });
    }
    for (let i = start; i < position; i++) if (text.charCodeAt(i) === 10) line++;
  }
  tokens.push({ kind: "end", text: "", upper: "", start: text.length, end: text.length, line });
  return tokens;
}

function contentOf(kind: Token["kind"], raw: string): string {
  if (kind === "string") return raw.slice(raw.indexOf("'") + 1, -1).replaceAll("''", "'");
  if (kind === "quoted") return raw.startsWith("[") ? raw.slice(1, -1).replaceAll("]]", "]") : raw.slice(1, -1).replaceAll('""', '"');
  return raw;
}

/** Comments nest in T-SQL. */
function endOfComment(text: string, start: number, line: number): number {
  let depth = 0;
  for (let i = start; i < text.length - 1; i++) {
    const pair = text.slice(i, i + 2);
    if (pair === "/*") depth++;
    else if (pair === "*/") depth--;
    else continue;
    i++;
    if (depth === 0) return i + 1;
  }
  throw syntaxError("/*", text.slice(start, start + 80), line);
}

/** Words that cannot be a name without brackets. */
export const reserved: ReadonlySet<string> = new Set(
  `ADD ALL ALTER AND ANY AS ASC AUTHORIZATION BACKUP BEGIN BETWEEN BREAK BROWSE BULK BY CASCADE CASE CHECK CHECKPOINT CLOSE CLUSTERED
  COALESCE COLLATE COLUMN COMMIT COMPUTE CONSTRAINT CONTAINS CONTAINSTABLE CONTINUE CONVERT CREATE CROSS CURRENT CURRENT_DATE CURRENT_TIME
  CURRENT_TIMESTAMP CURRENT_USER CURSOR DATABASE DBCC DEALLOCATE DECLARE DEFAULT DELETE DENY DESC DISK DISTINCT DISTRIBUTED DOUBLE DROP
  DUMP ELSE END ERRLVL ESCAPE EXCEPT EXEC EXECUTE EXISTS EXIT EXTERNAL FETCH FILE FILLFACTOR FOR FOREIGN FREETEXT FREETEXTTABLE FROM FULL
  FUNCTION GOTO GRANT GROUP HAVING HOLDLOCK IDENTITY IDENTITY_INSERT IDENTITYCOL IF IN INDEX INNER INSERT INTERSECT INTO IS JOIN KEY KILL
  LEFT LIKE LINENO LOAD MERGE NATIONAL NOCHECK NONCLUSTERED NOT NULL NULLIF OF OFF OFFSETS ON OPEN OPENDATASOURCE OPENQUERY OPENROWSET
  OPENXML OPTION OR ORDER OUTER OVER PERCENT PIVOT PLAN PRECISION PRIMARY PRINT PROC PROCEDURE PUBLIC RAISERROR READ READTEXT RECONFIGURE
  REFERENCES REPLICATION RESTORE RESTRICT RETURN REVERT REVOKE RIGHT ROLLBACK ROWCOUNT ROWGUIDCOL RULE SAVE SCHEMA SECURITYAUDIT SELECT
  SEMANTICKEYPHRASETABLE SEMANTICSIMILARITYDETAILSTABLE SEMANTICSIMILARITYTABLE SESSION_USER SET SETUSER SHUTDOWN SOME STATISTICS
  SYSTEM_USER TABLE TABLESAMPLE TEXTSIZE THEN TO TOP TRAN TRANSACTION TRIGGER TRUNCATE TRY_CONVERT TSEQUAL UNION UNIQUE UNPIVOT UPDATE
  UPDATETEXT USE USER VALUES VARYING VIEW WAITFOR WHEN WHERE WHILE WITH WRITETEXT`.split(/\s+/),
);
