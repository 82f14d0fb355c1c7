// A logger that keeps its lines. For tests of what is logged at all (style: no test asserts on the wording of a line it does not own).
import type { LogFields, Logger } from "../../operator/controller/logger.ts";

export interface Line {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly message: string;
  readonly fields: LogFields;
}

export function recordingLog(lines: Line[] = [], always: LogFields = {}): Logger & { readonly lines: Line[] } {
  const write =
    (level: Line["level"]) =>
    (message: string, fields: LogFields = {}): void =>
      void lines.push({ level, message, fields: { ...always, ...fields } });
  return {
    lines,
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
    child: (fields) => recordingLog(lines, { ...always, ...fields }),
  };
}
