// What rows travel as: the kinds of write, each with its sizes, its text and its parameters as the text names them. It sends nothing.
import type { ServerName } from "../farm/model.ts";
import type { Company } from "./drains.ts";
import type { SentParameter } from "./driver.ts";
import type { Shape } from "./shape.ts";
import { mark, register, remove, sizes } from "./statements.ts";
import type { Write } from "./writes.ts";

export interface NewServer {
  readonly name: ServerName;
  readonly guid: string;
  /** Where the table has ServerURL. */
  readonly url?: string;
}

export interface Registering {
  /** Enabled rows that the table may have afterwards: the first of the servers get the places that are left. Absent: no limit. */
  readonly mostServers?: number;
  /** Gives each new row the table's newest ping, where there is one and the user may. */
  readonly copiesPing?: boolean;
}

export interface NewMark {
  readonly serverID: number;
  readonly name: string;
  readonly guid: string | null; // as read
  /** May be the same, to set the URL only. */
  readonly newGuid: string;
  /** Absent: it stays as it is. */
  readonly url?: string;
}

export interface Removal {
  readonly serverID: number;
  readonly name: string;
  readonly guid: string | null; // as read
  /** Only while this is the server's newest ping, as TableRead has it; `noPing`: while it has none. */
  readonly newestPing?: string;
}

const int = (name: string, value: number | undefined): SentParameter => ({ name, type: "int", value: value ?? null });
export const text = (name: string, type: "name" | "url" | "guid", value: string | null | undefined): SentParameter => ({
  name,
  type,
  value: value ?? null,
});

export const registering = (shape: Shape, { mostServers, copiesPing = false }: Registering): Write<NewServer> => ({
  sizes: sizes.register,
  statement: register,
  parameters: (row) => [text("n", "name", row?.name), text("g", "guid", row?.guid), ...urlOf(shape, row)],
  common: [int("most", mostServers), ...(shape.monitoring?.takesPings === true ? [int("ping", copiesPing ? 1 : 0)] : [])],
});

export const marking = (shape: Shape): Write<NewMark> => ({
  sizes: sizes.mark,
  statement: mark,
  parameters: (row) => [...asRead(row), text("h", "guid", row?.newGuid), ...urlOf(shape, row)],
});

export const removing = (shape: Shape, { sizes: ofCompany, after }: Pick<Company<Removal>, "sizes" | "after">): Write<Removal> => ({
  sizes: ofCompany,
  statement: remove,
  parameters: (row) => [...asRead(row), ...(shape.monitoring === undefined ? [] : [int("p", pingOf(row))])],
  common: [int("after", after)],
});

export type Swept = Pick<Removal, "serverID" | "name">;

export const sweeping: Pick<Write<Swept>, "sizes" | "parameters"> = {
  sizes: sizes.sweep,
  parameters: (row) => [int("i", row?.serverID), text("n", "name", row?.name)],
};

const urlOf = ({ servers }: Shape, row: { readonly url?: string } | undefined): readonly SentParameter[] =>
  servers.url === undefined ? [] : [text("u", "url", row?.url)];

const pingOf = (row: Removal | undefined): number | undefined => (row?.newestPing === undefined ? undefined : Number(row.newestPing));

function asRead(row: Pick<NewMark, "serverID" | "name" | "guid"> | undefined): readonly SentParameter[] {
  return [int("i", row?.serverID), text("n", "name", row?.name), text("g", "guid", row?.guid)];
}
