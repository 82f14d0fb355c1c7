// The words of the domain: pods, rows, farms and what an observation consists of. Only types and brands; it decides nothing.

import type { TlsMode, WebFarmSpec, WebFarmStatus } from "./resource.generated.ts";

declare const brand: unique symbol;
type Brand<T, B extends string> = T & { readonly [brand]: B };

/** `<namespace>/<name>` of a WebFarm. */
export type FarmKey = Brand<string, "FarmKey">;
export type PodUid = Brand<string, "PodUid">;
/** A name that keeps the product's rules (ASCII letters, digits, `_ - .`, no dot at either end, 1 to 100 characters). */
export type ServerName = Brand<string, "ServerName">;
/** 9 hex digits: what a row's mark says of its pod. */
export type PodHash = Brand<string, "PodHash">;
/** Milliseconds; wall clock (since 1970) or monotonic (since any moment), as the name of the field says. */
export type Milliseconds = number;

export const farmKey = (namespace: string, name: string): FarmKey => `${namespace}/${name}` as FarmKey;

/** A pod as the operator keeps it: trimmed on arrival. Times are wall clock milliseconds of the API server. */
export interface Pod {
  readonly uid: PodUid;
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly createdAtMs: Milliseconds;
  /** When it must be gone: deletionTimestamp. */
  readonly deletionAtMs?: Milliseconds;
  readonly graceSeconds: number; // terminationGracePeriodSeconds, 30 where absent
  readonly node?: string; // absent: not bound
  readonly hostname?: string; // spec.hostname
  readonly os?: string; // spec.os.name
  readonly hostNetwork: boolean;
  readonly phase: string;
  readonly ip?: string;
  readonly ready: boolean;
  /** The readiness gate webfarm.dev/registered: not in the spec; in the spec and not True; True. */
  readonly gate: "absent" | "closed" | "open";
  /** A container or a restartable init container has a status `running`. */
  readonly running: boolean;
  /** How often its containers have restarted, together; absent: never. */
  readonly restarts?: number;
  /** Reason of the condition DisruptionTarget while it is True. */
  readonly disruption?: string;
  readonly controller?: { readonly apiVersion: string; readonly kind: string; readonly name: string; readonly uid: string };
}

/** What this process remembers of a pod that it has seen, also after the pod's object is gone. */
export interface SeenPod {
  readonly pod: Pod; // its last seen state
  /** `present`; `deleted` by an event that carried the last state; `listedGone`: a list did not have it any more, its last state was missed. */
  readonly presence: "present" | "deleted" | "listedGone";
  /** This process saw it ended (`hasEnded`); forgotten when the store went back in time. */
  readonly ended: boolean;
  /** How often the store gave it back after it was gone, or may have; absent: never. Whoever waits for its end begins anew. */
  readonly returns?: number;
}

/** The pods of one namespace, from the cache. */
export interface PodView {
  readonly synced: boolean;
  readonly pods: readonly Pod[];
  /** How often they were listed anew: between two lists pods may have come and gone unseen. Absent: that is not known. */
  readonly lists?: number;
  /** By the hash of the UID, for rows whose pod may be gone. */
  seen(hash: PodHash): SeenPod | undefined;
}

/** A row of CMS_WebFarmServer. `guid` in lower case with dashes. */
export interface ServerRow {
  readonly serverID: number;
  readonly name: string;
  readonly guid: string | null;
  readonly enabled: boolean;
  readonly url?: string;
  /**
   * Only with registration Application, where the application wrote the row and `guid` is what inventory.ts puts in its place: the mark of the
   * pod that the row belongs to, or null. Here is what the table itself has, and the name of that pod.
   */
  readonly application?: { readonly guid: string | null; readonly pod?: string };
}

/** What the rest of the database says about whether writing rows is right. */
export interface FarmSettings {
  /** `unreadable`: the login may not read CMS_SettingsKey, or there is none. Values of the global keys, as text; a missing or NULL key is null. */
  readonly kind: "read" | "unreadable";
  readonly values: Readonly<Record<string, string | null>>;
}

/** The product generations that the shape of the tables tells apart. */
export type Product = "6" | "7-8" | "9-10" | "11" | "12-13" | "XbyK";

/** One consistent reading of the farm's part of the database. */
export interface TableRead {
  readonly rows: readonly ServerRow[];
  /** More rows than are ever read (10,000): nothing may be concluded from a row that is not here. */
  readonly truncated: boolean;
  /** Newest ping of each ServerID that has one, as an opaque text that changes with each ping; undefined where there is no table of pings. */
  readonly pings?: ReadonlyMap<number, string>;
  readonly settings?: FarmSettings; // absent in what a write reads back
}

/** The newest ping of a server that never pinged: the keys of pings begin with 1. */
export const noPing = "0";

/** What was found on connecting. */
export interface DatabaseFacts {
  readonly endpoint: string; // host,port or host\instance: never a user or password
  readonly name: string;
  readonly product: Product;
  readonly engineVersion: string;
  readonly hasUrl: boolean;
  readonly hasPings: boolean;
  /** Names that differ in case only are surely one name to the database. */
  readonly foldsCase: boolean;
  /** What the connection string asked for and the operator does otherwise; sentences for a person. */
  readonly notes: readonly string[];
}

/** Whom Microsoft Entra is to know the operator as: a ServiceAccount of the WebFarm's namespace, and what its annotations say of it. */
export interface WorkloadIdentity {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly clientId: string;
  readonly tenantId: string;
}

/** What the resource and the objects that it names say. */
export interface DatabaseMaterial {
  readonly login:
    | { readonly kind: "connectionString"; readonly text: string }
    | {
        readonly kind: "parts";
        readonly host: string;
        readonly port?: number;
        readonly instance?: string;
        readonly database: string;
        readonly user: string;
        readonly password: string;
      }
    | {
        readonly kind: "identity";
        readonly host: string;
        readonly port?: number;
        readonly instance?: string;
        readonly database: string;
        readonly identity: WorkloadIdentity;
      };
  readonly schema: string;
  readonly multiSubnetFailover: boolean;
  /** `ca`: PEM. Given: wins over the connection string. */
  readonly tls?: { readonly mode?: TlsMode; readonly serverName?: string; readonly ca?: string };
  readonly applicationName: string;
}

/** Why the database cannot be used, or a write was refused. `reason` is CamelCase and documented; the message says what to do. */
export interface DatabaseProblem {
  readonly kind:
    | "unreachable" // network, timeout, server going away: retry with backoff; the outcome of a write is unknown
    | "login" // refused login: no other try until the Secret changes or five minutes pass
    | "configuration" // connection string, TLS, unsupported keyword: a person must change something
    | "permission" // a missing GRANT, named
    | "schema" // not a Kentico database, or a shape nobody has seen
    | "readOnly" // a secondary or a read-only database
    | "busy" // lock timeout, deadlock, throttling, log full: retry
    | "refused"; // one row was refused by the server (constraint, trigger, truncation)
  readonly reason: string;
  readonly message: string;
  /** Only a person can end it. */
  readonly stalled: boolean;
  readonly number?: number;
  readonly retryAfterMs?: Milliseconds;
}

/** A WebFarm decoded. `spec` has the defaults of the CRD applied. */
export interface WebFarm {
  readonly key: FarmKey;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly generation: number;
  readonly createdAtMs: Milliseconds;
  readonly deletionAtMs?: Milliseconds;
  readonly finalizers: readonly string[];
  readonly annotations: Readonly<Record<string, string>>;
  /** The field manager that set webfarm.dev/approve-removals, where the API server kept it. */
  readonly approver?: string;
  readonly spec: WebFarmSpec;
  readonly status: WebFarmStatus;
  /** Paths of fields and values that this version does not know or does not support yet, with the reason: promise 10. */
  readonly unsupported: readonly string[];
}

/** The workload of a member as it was read. */
export type WorkloadRead =
  | {
      readonly kind: "found";
      readonly uid: string;
      readonly selector: LabelSelector;
      readonly replicas?: number; // pods it wants; absent where the kind does not say
      readonly ordinals?: { readonly start: number; readonly count: number }; // StatefulSet
      readonly deleting: boolean;
    }
  | { readonly kind: "absent" } // a clean 404
  | { readonly kind: "unknown"; readonly reason: string; readonly message: string }; // anything else

export interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly { readonly key: string; readonly operator: string; readonly values?: readonly string[] }[];
}

export interface Condition {
  readonly type: string;
  readonly status: "True" | "False" | "Unknown";
  readonly reason: string;
  readonly message: string;
}
