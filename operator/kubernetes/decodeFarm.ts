// A WebFarm as the API server sends it → the domain's value, with the CRD's defaults, and a sentence for each thing in the spec that this
// version does not know. It never refuses a farm for its spec: one bad farm must not stop the reflector of all.
import { approveAnnotation } from "../farm/approval.ts";
import { farmKey, type WebFarm } from "../farm/model.ts";
import type { WebFarmSpec } from "../farm/resource.generated.ts";
import { listOf, numberOf, type Raw, recordOf, required, textOf, textsOf, timeOf } from "./decode.ts";
import { type Shape, specShape } from "./farmShape.ts";

/** Throws for what has no name, namespace or UID. */
export function decodeFarm(raw: unknown): WebFarm {
  const { metadata: rawMetadata, spec: rawSpec, status } = recordOf(raw);
  const metadata = recordOf(rawMetadata);
  const namespace = required(textOf(metadata["namespace"]), "metadata.namespace");
  const name = required(textOf(metadata["name"]), "metadata.name");
  const deletionAtMs = timeOf(metadata["deletionTimestamp"]);
  const approver = approverOf(metadata["managedFields"]);
  const unknown: string[] = [];
  const spec = withDefaults(specShape, rawSpec ?? {}, "spec", unknown) as WebFarmSpec;
  return {
    key: farmKey(namespace, name),
    namespace,
    name,
    uid: required(textOf(metadata["uid"]), "metadata.uid"),
    resourceVersion: textOf(metadata["resourceVersion"]) ?? "",
    generation: numberOf(metadata["generation"]) ?? 0,
    createdAtMs: timeOf(metadata["creationTimestamp"]) ?? 0,
    ...(deletionAtMs === undefined ? {} : { deletionAtMs }),
    finalizers: Array.isArray(metadata["finalizers"]) ? metadata["finalizers"].filter((it): it is string => typeof it === "string") : [],
    annotations: textsOf(metadata["annotations"]),
    ...(approver !== undefined && { approver }),
    spec,
    status: recordOf(status),
    unsupported: unknown,
  };
}

/** The API server keeps who set a field by the name of the tool, not of the person. */
function approverOf(managedFields: unknown): string | undefined {
  const entry = listOf(managedFields).find(({ fieldsV1 }) => {
    const annotations = recordOf(recordOf(recordOf(fieldsV1)["f:metadata"])["f:annotations"]);
    return Object.hasOwn(annotations, `f:${approveAnnotation}`);
  });
  return textOf(entry?.["manager"]);
}

/** A copy with defaults for what is absent; notes what the shape does not know. Null is absent, as the API server prunes it. */
function withDefaults(shape: Shape, raw: unknown, path: string, unknown: string[]): unknown {
  switch (shape.kind) {
    case "value":
      if (shape.enum !== undefined && !shape.enum.includes(raw as string))
        unknown.push(`${path}: this version of the operator does not know the value ${JSON.stringify(raw)}`);
      return raw;
    case "map":
      return textsOf(raw);
    case "list":
      return (Array.isArray(raw) ? (raw as unknown[]) : []).map((item, at) => withDefaults(shape.of, item, `${path}[${at}]`, unknown));
    case "fields":
      return fieldsWithDefaults(shape.fields, recordOf(raw), path, unknown);
  }
}

function fieldsWithDefaults(known: Readonly<Record<string, Shape>>, raw: Raw, path: string, unknown: string[]): Raw {
  const result: Record<string, unknown> = {};
  for (const field of Object.keys(raw)) {
    if (!Object.hasOwn(known, field)) unknown.push(`${path}.${field}: this version of the operator does not know the field`);
  }
  for (const [field, shape] of Object.entries(known)) {
    const given = Object.hasOwn(raw, field) ? (raw[field] ?? undefined) : undefined;
    const found = given ?? defaultOf(shape);
    if (found !== undefined) result[field] = withDefaults(shape, found, `${path}.${field}`, unknown);
  }
  return result;
}

function defaultOf(shape: Shape): unknown {
  if (shape.kind === "value") return shape.default;
  return shape.kind === "fields" && shape.defaultsToEmpty ? {} : undefined;
}
