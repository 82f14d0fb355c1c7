// The server that is asked, as MSSQL_URL names it. It opens nothing.
import type mssql from "mssql";
import type { Credentials } from "./behaviour.ts";

export interface Address extends Credentials {
  readonly host: string;
  readonly port: number;
  readonly encrypt: boolean;
  readonly trustServerCertificate: boolean;
}

/** Of mssql://user:password@host:port/?encrypt=true&trustServerCertificate=true. Throws where it is none. */
export function addressOf(text: string): Address {
  const form = "mssql://user:password@host:port/?encrypt=true&trustServerCertificate=true";
  if (!URL.canParse(text)) throw new Error(`MSSQL_URL is no address; its form is ${form}`);
  const url = new URL(text);
  if (url.protocol !== "mssql:" || url.hostname === "" || url.username === "")
    throw new Error(`MSSQL_URL names no server and login; its form is ${form}`);
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: url.port === "" ? 1433 : Number(url.port),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    encrypt: url.searchParams.get("encrypt") !== "false",
    trustServerCertificate: url.searchParams.get("trustServerCertificate") === "true",
  };
}

/** For the driver: a session of this login in this database. */
export function configFor(
  address: Address,
  database: string,
  login: Credentials = address,
  applicationName = "webfarm-contract",
): mssql.config {
  const { host, port, encrypt, trustServerCertificate } = address;
  return {
    server: host,
    port,
    user: login.user,
    password: login.password,
    database,
    connectionTimeout: 30_000,
    requestTimeout: 60_000,
    options: { encrypt, trustServerCertificate, appName: applicationName },
  };
}
