// The product's tables that the operator knows, and how a database tells of their columns. It is only names and types.

/** Spelled as the product spells them; some servers fold them, so they are compared without regard to case. */
export const tableNames = {
  servers: "CMS_WebFarmServer",
  bindings: "CMS_WebFarmServerTask",
  tasks: "CMS_WebFarmTask",
  monitoring: "CMS_WebFarmServerMonitoring",
  log: "CMS_WebFarmServerLog",
  search: "CMS_SearchTask",
  settings: "CMS_SettingsKey",
} as const;

/** A column as sys.columns lists it. `maxLength` in bytes, -1 for max. */
export interface CatalogueColumn {
  readonly table: string;
  readonly column: string;
  readonly maxLength: number;
  readonly nullable: boolean;
  /** The server supplies a value when an insert names none: a default, an identity, a computed column, a rowversion. */
  readonly supplied: boolean;
  /** Of a column of text whose collation is not its database's: that collation. */
  readonly collation?: string;
}

/** A name that can stand in a text as it is: COLLATE takes neither brackets nor a parameter. */
export type CollationName = string & { readonly brand: "CollationName" };

/** All that Microsoft lists are of this form. */
export const isCollationName = (name: string): name is CollationName => /^[A-Za-z0-9_]+$/.test(name);
