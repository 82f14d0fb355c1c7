// Splits the data source of a connection string as Microsoft.Data.SqlClient does on Linux. It never resolves a name.

export interface DataSource {
  readonly protocol?: "TCP";
  readonly host: string;
  readonly port?: number;
  readonly instance?: string;
}

export type DataSourceReading =
  | { readonly kind: "read"; readonly dataSource: DataSource }
  | { readonly kind: "refused"; readonly reason: string; readonly message: string };

const refused = (reason: string, message: string): DataSourceReading => ({ kind: "refused", reason, message });

/** `text` is not empty. */
export function readDataSource(text: string): DataSourceReading {
  const whole = text.trim().toLowerCase();
  const protocol = /^\s*(tcp|np|admin|lpc)\s*:/.exec(whole)?.[1];
  if (protocol === "np" || whole.startsWith("\\\\"))
    return refused("NamedPipeNotSupported", "The Data Source names a named pipe. Write tcp:<host>,<port>.");
  if (protocol === "admin")
    return refused("AdminConnectionNotSupported", "The Data Source asks for the dedicated administrator connection. Leave out admin:.");
  if (protocol === "lpc") return refused("SharedMemoryNotSupported", "The Data Source asks for shared memory. Write tcp:<host>,<port>.");
  if (/^\(localdb\)/.test(whole))
    return refused(
      "LocalDbNotSupported",
      "The Data Source names LocalDB, which exists on one Windows machine only. Name a SQL Server: tcp:<host>,<port>.",
    );
  const rest = protocol === undefined ? whole : whole.slice(whole.indexOf(":") + 1).trim();
  if (rest.includes("/")) return notValid("it has a slash; an instance follows a backslash");
  return splitAddress(rest, protocol === "tcp");
}

function notValid(why: string): DataSourceReading {
  return refused("DataSourceInvalid", `The Data Source is not valid: ${why}. Write <host>, <host>,<port> or <host>\\<instance>.`);
}

function splitAddress(rest: string, isTcp: boolean): DataSourceReading {
  const tokens = rest.split(/[\\,]/).map((token) => token.trim());
  const comma = rest.indexOf(",");
  const backslash = rest.indexOf("\\");
  const host = hostOf(tokens[0] ?? "");
  if (host === "") return notValid("it has no host");
  if (comma >= 0) {
    // With a port the instance is ignored, wherever it stands.
    const port = tokens[backslash >= 0 && comma > backslash ? 2 : 1] ?? "";
    if (!/^\+?\d{1,9}$/.test(port) || Number(port) < 1) return notValid("the port behind the comma is not a number above 0");
    return { kind: "read", dataSource: { protocol: "TCP", host, port: Number(port) } };
  }
  const tcp = isTcp ? { protocol: "TCP" as const } : {};
  if (backslash < 0) return { kind: "read", dataSource: { ...tcp, host } };
  const instance = tokens[1] ?? "";
  if (instance === "") return notValid("nothing follows the backslash");
  if (instance === "mssqlserver") return notValid("MSSQLSERVER is the default instance, which is named by the host alone");
  return { kind: "read", dataSource: { ...tcp, host, instance } };
}

function hostOf(token: string): string {
  return token === "." || token === "(local)" ? "localhost" : token;
}
