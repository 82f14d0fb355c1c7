// The status within the limits of the CRD, whatever it has to say: beyond them the API server would refuse all of it.

import { readFileSync } from "node:fs";
import { describe, expect, test } from "@jest/globals";
import { parse } from "yaml";
import { farmKey } from "../../operator/farm/model.ts";
import { farm, member, memory, nowMs, otherCluster, pod, problem, rowOf, table, unavailable, uid } from "./build.ts";
import type { Scene } from "./build.ts";
import { status } from "./telling.ts";
import type { More } from "./telling.ts";

const a = pod({ name: "shop-a" });

interface Schema {
  readonly maxLength?: number;
  readonly minLength?: number;
  readonly maxItems?: number;
  readonly minimum?: number;
  readonly pattern?: string;
  readonly enum?: readonly string[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
}

/** Where a value breaks the limits of the CRD; the API server would refuse the whole status. */
function violations(value: unknown, schema: Schema | undefined, path: string): readonly string[] {
  if (schema === undefined) return [`${path} is not in the CRD`];
  if (typeof value === "string") {
    if (!value.isWellFormed()) return [`${path} ends in half a character`];
    const tooLong =
      Array.from(value).length > (schema.maxLength ?? (schema.enum === undefined ? 0 : Infinity)) || value.length < (schema.minLength ?? 0);
    const isStrange = schema.pattern !== undefined && !new RegExp(schema.pattern, "u").test(value);
    return [
      ...(tooLong ? [`${path} has ${value.length} characters`] : []),
      ...(isStrange ? [`${path} is "${value}"`] : []),
      ...(schema.enum?.includes(value) === false ? [`${path} is ${value}`] : []),
    ];
  }
  if (typeof value === "number") return Number.isInteger(value) && value >= (schema.minimum ?? -Infinity) ? [] : [`${path} is ${value}`];
  if (Array.isArray(value))
    return [
      ...(value.length > (schema.maxItems ?? 0) ? [`${path} has ${value.length} items`] : []),
      ...value.flatMap((one, index) => violations(one, schema.items, `${path}[${index}]`)),
    ];
  const record = value as Readonly<Record<string, unknown>>;
  const absent = (schema.required ?? []).filter((key) => !(key in record)).map((key) => `${path}.${key} is absent`);
  return [...absent, ...Object.entries(record).flatMap(([key, one]) => violations(one, schema.properties?.[key], `${path}.${key}`))];
}

describe("whatever it has to say, the status keeps the limits of the CRD", () => {
  const crd = parse(readFileSync(new URL("../../crds/webfarm.dev_webfarms.yaml", import.meta.url), "utf8")) as {
    readonly spec: { readonly versions: readonly { readonly schema: { readonly openAPIV3Schema: Schema } }[] };
  };
  const schema = crd.spec.versions[0]?.schema.openAPIV3Schema.properties?.["status"];
  const endless = "😀é\u0001".repeat(40_000);
  const longNamed = (name: string): ReturnType<typeof pod> => pod({ name: name.padEnd(253, "x"), uid: uid(name) });
  const manyRows = Array.from({ length: 300 }, (_, index) =>
    rowOf(longNamed(`r${index}-`), { serverID: index + 1, name: `r${index}-`.padEnd(300, "é"), by: otherCluster }),
  );

  test.each<[string, Scene, More]>([
    ["a database whose error never ends", { pods: [a], table: unavailable({ message: endless }) }, {}],
    ["a write whose error never ends", { pods: [a] }, { outcome: { refused: [], problem: problem({ message: endless }) } }],
    [
      "rows whose errors never end",
      { pods: [a] },
      { outcome: { refused: Array.from({ length: 200 }, () => ({ name: endless, problem: problem({ message: endless }) })) } },
    ],
    [
      "a refusal that never ends",
      { pods: [a] },
      { remembered: memory({ refusals: new Map([["shop-a", { reason: "R", message: endless, retryMs: nowMs + 1 }]]) }) },
    ],
    [
      "workloads whose errors never end",
      {
        members: Array.from({ length: 16 }, (_, index) =>
          member({
            name: `m${index}`.padEnd(63, "x"),
            workloadName: endless,
            workload: { kind: "unknown", reason: "Forbidden", message: endless },
          }),
        ),
      },
      {},
    ],
    ["unknown fields that never end", { farm: farm({ unsupported: [endless] }) }, {}],
    ["a server that talks too much", { table: table([], { facts: { engineVersion: endless, endpoint: endless, notes: [endless] } }) }, {}],
    ["a mode that never ends", { table: table([], { settings: { kind: "read", values: { CMSWebFarmMode: endless } } }) }, {}],
    ["300 blocked rows with names as long as the column", { table: table(manyRows, { pings: new Map() }) }, {}],
    [
      "300 pods with the longest names",
      {
        pods: Array.from({ length: 300 }, (_, index) => longNamed(`p${index}-`)),
        farm: farm({ spec: { suspend: true } }),
        members: [member({ serverName: "$(POD_NAMESPACE)$(POD_ORDINAL)" })],
      },
      {},
    ],
    [
      "300 pods that another WebFarm has",
      {
        pods: Array.from({ length: 300 }, (_, index) => longNamed(`p${index}-`)),
        takenByOlder: new Map(
          Array.from({ length: 300 }, (_, index) => [longNamed(`p${index}-`).uid, farmKey("n".repeat(63), "f".repeat(253))] as const),
        ),
      },
      {},
    ],
    [
      "500 withheld actions",
      {
        pods: Array.from({ length: 500 }, (_, index) => pod({ name: `p${index}-`.padEnd(100, "x") })),
        farm: farm({ spec: { policy: "Observe" } }),
      },
      {},
    ],
  ])("%s", (_what, scene, more) => {
    const told = status(scene, more);
    expect(violations(told, schema, "status")).toEqual([]);
  });

  test("which is a test that can fail", () => {
    expect(violations({ ...status(), ownerId: "x".repeat(318), foreign: -1, extra: 1 }, schema, "status")).toHaveLength(3);
  });
});
