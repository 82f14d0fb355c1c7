// The Lease of the operator as the election's store: read, made and replaced by version, and watched. A lost race is an answer, not an error;
// what others wrote into the Lease (labels, fields of later versions) is kept. It decides nothing about who leads.
import type { LeaseRecord, LeaseStore, LeaseWrite } from "../controller/lease.ts";
import { ApiError, isNotFound } from "./apiError.ts";
import type { ApiRequest } from "./client.ts";
import { fieldManager } from "./client.ts";
import { numberOf, type Raw, recordOf, required, textOf, timeOf } from "./decode.ts";
import { Reflector, type ReflectorParts } from "./reflector.ts";

export const leaseName = "webfarm-operator";

export interface LeaseStoreOptions extends ReflectorParts {
  readonly namespace: string;
}

/** What client-go takes where a Lease does not say. */
const defaultLeaseSeconds = 15;
/** Of which versions the whole object is remembered; the next write names the newest or the one before. */
const mostRemembered = 4;

export function createLeaseStore(options: LeaseStoreOptions): LeaseStore {
  const { api, namespace } = options;
  const path = `/apis/coordination.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/leases`;
  const remembered = new Map<string, Raw>();

  function decode(raw: unknown): LeaseRecord {
    const record = decodeLease(raw);
    remembered.delete(record.version);
    remembered.set(record.version, recordOf(raw));
    for (const version of [...remembered.keys()].slice(0, -mostRemembered)) remembered.delete(version);
    return record;
  }

  async function ask(doing: string, request: ApiRequest): Promise<LeaseRecord> {
    try {
      return decode(await api.request(request));
    } catch (error) {
      throw error instanceof ApiError && error.code === 403 ? forbidden(doing, namespace, error) : error;
    }
  }

  async function write(doing: string, request: ApiRequest): Promise<LeaseWrite> {
    try {
      return { kind: "written", record: await ask(doing, { ...request, query: { fieldManager } }) };
    } catch (error) {
      // AlreadyExists and Conflict are both 409.
      if ((error instanceof ApiError && error.code === 409) || isOurNotFound(error)) return { kind: "lost" };
      throw error;
    }
  }

  return {
    read: async (signal) => {
      try {
        return await ask("read", { method: "GET", path: `${path}/${leaseName}`, signal });
      } catch (error) {
        if (isOurNotFound(error)) return undefined;
        throw error;
      }
    },
    create: (record, signal) =>
      write("create", {
        method: "POST",
        path,
        body: { ...kindOfLease, metadata: { name: leaseName, namespace }, spec: specOf(record) },
        signal,
      }),
    update: (record, signal) => {
      const before = remembered.get(record.version) ?? {};
      const metadata = { ...recordOf(before["metadata"]), name: leaseName, namespace, resourceVersion: record.version };
      const body = { ...kindOfLease, metadata, spec: { ...recordOf(before["spec"]), ...specOf(record) } };
      return write("update", { method: "PUT", path: `${path}/${leaseName}`, body, signal });
    },
    watch: (onChange) => {
      const reflector = new Reflector({
        ...options,
        resource: "leases",
        path,
        select: { fieldSelector: `metadata.name=${leaseName}` },
        decode: (raw) => ({ ...identityOf(raw), record: decode(raw) }),
        onChange: (_before, after) => onChange(after?.record),
      });
      reflector.start();
      return { stop: () => reflector.stop() };
    },
  };
}

const kindOfLease = { apiVersion: "coordination.k8s.io/v1", kind: "Lease" };

const isOurNotFound = (error: unknown): boolean => isNotFound(error, { resource: "leases", name: leaseName });

export function decodeLease(raw: unknown): LeaseRecord {
  const { metadata, spec } = recordOf(raw);
  const fields = recordOf(spec);
  const seconds = numberOf(fields["leaseDurationSeconds"]);
  return {
    holder: textOf(fields["holderIdentity"]) ?? "",
    leaseSeconds: seconds === undefined || seconds <= 0 ? defaultLeaseSeconds : seconds,
    acquiredAtMs: timeOf(fields["acquireTime"]) ?? 0,
    renewedAtMs: timeOf(fields["renewTime"]) ?? 0,
    transitions: numberOf(fields["leaseTransitions"]) ?? 0,
    version: required(textOf(recordOf(metadata)["resourceVersion"]), "metadata.resourceVersion"),
  };
}

function identityOf(raw: unknown): { readonly uid: string; readonly namespace: string; readonly name: string } {
  const metadata = recordOf(recordOf(raw)["metadata"]);
  const field = (name: string): string => required(textOf(metadata[name]), `metadata.${name}`);
  return { uid: field("uid"), namespace: field("namespace"), name: field("name") };
}

const specOf = ({ holder, leaseSeconds, acquiredAtMs, renewedAtMs, transitions }: LeaseRecord): Raw => ({
  holderIdentity: holder,
  leaseDurationSeconds: leaseSeconds,
  acquireTime: microTimeOf(acquiredAtMs),
  renewTime: microTimeOf(renewedAtMs),
  leaseTransitions: transitions,
});

/** MicroTime: RFC 3339 with exactly six digits. */
const microTimeOf = (ms: number): string => new Date(ms).toISOString().replace("Z", "000Z");

function forbidden(doing: string, namespace: string, cause: ApiError): Error {
  return new Error(
    `Cannot ${doing} the Lease ${namespace}/${leaseName}: the operator needs get, list, watch, create and update of leases.coordination.k8s.io ` +
      `in namespace ${namespace} (${cause.message})`,
    { cause },
  );
}
