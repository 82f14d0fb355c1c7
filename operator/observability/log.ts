// The operator's log on winston: JSON lines, a constant message and keys. Errors are written whole (cause chain, driver's number), secrets
// never. It decides nothing about what is worth a line, and nobody else imports winston.
import { createLogger, format, type LoggerOptions, transports } from "winston";
import { redacted, redactedText } from "./redact.ts";

export type LogLevel = "error" | "warn" | "info" | "debug";

type Fields = Readonly<Record<string, unknown>>;

/** What components see of the log; structurally the Logger of controller/. */
export interface Log {
  debug(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  error(message: string, fields?: Fields): void;
  child(fields: Fields): Log;
}

export interface LogOptions {
  readonly level: LogLevel;
  /** Where the lines go; standard output when it is not given. */
  readonly transport?: NonNullable<LoggerOptions["transports"]>;
}

/** The keys that winston itself uses: a field of that name would replace the message or glue itself to it. */
const reserved = new Set(["level", "message", "timestamp"]);

export function createLog({ level, transport = new transports.Console() }: LogOptions): Log {
  const winston = createLogger({ level, format: format.combine(format.timestamp(), format.json()), transports: transport });
  // A disabled line must cost nothing: winston itself takes 2.8 us for it.
  const isDebug = winston.isDebugEnabled();
  const write = (severity: LogLevel, always: Fields, message: string, fields: Fields = {}): void => {
    const line: Record<string, unknown> = {};
    for (const [key, value] of Object.entries(redacted({ ...always, ...fields }))) line[reserved.has(key) ? `${key}_` : key] = value;
    winston.log({ ...line, level: severity, message: redactedText(message) });
  };
  const bound = (always: Fields): Log => ({
    debug: (message, fields) => {
      if (isDebug) write("debug", always, message, fields);
    },
    info: (message, fields) => write("info", always, message, fields),
    warn: (message, fields) => write("warn", always, message, fields),
    error: (message, fields) => write("error", always, message, fields),
    child: (fields) => bound({ ...always, ...fields }),
  });
  return bound({});
}
