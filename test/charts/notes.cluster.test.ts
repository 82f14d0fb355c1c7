// What the chart's notes tell somebody who has just installed it, for each generation of the product: the WebFarm that they print is one that a
// real API server takes and that the operator works with.
import { join } from "node:path";
import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import { parse, stringify } from "yaml";
import type { Product } from "../../operator/farm/model.ts";
import { settingsVerdict } from "../../operator/farm/settings.ts";
import { decodeFarm } from "../../operator/kubernetes/decodeFarm.ts";
import { type CrdCluster, startCrdCluster } from "../crds/crdCluster.ts";
import { table } from "../farm/build.ts";
import { generations } from "../world/generations.ts";

const chart = join(import.meta.dirname, "../../charts/webfarm-operator");

// Each kubectl takes 50 ms alone and far longer beside other tests.
jest.setTimeout(300_000);

let cluster: CrdCluster;
let namespace: string;

beforeAll(async () => {
  cluster = await startCrdCluster();
  namespace = await cluster.namespace();
});
afterAll(() => cluster.stop());

/** `product`: also as the number that YAML makes of it. */
async function notesFor(product: string | number): Promise<string> {
  const values = { crds: { enabled: false }, notes: { product } };
  const args = ["install", "shop", chart, "--namespace", namespace, "--dry-run=client", "--values", "-"];
  const [, notes] = (await cluster.helm(args, { input: JSON.stringify(values) })).split("\nNOTES:\n");
  if (notes === undefined) throw new Error("Helm printed no notes");
  return notes;
}

/** The WebFarm between the steps "Apply a WebFarm" and "Look". */
function webFarmOf(notes: string): string {
  const [, found] = /^ +(apiVersion: webfarm\.dev[^]*?)^3\. Look/m.exec(notes) ?? [];
  if (found === undefined) throw new Error("The notes print no WebFarm");
  return stringify(parse(found.replaceAll(/^ {3}/gm, "")));
}

test.each(generations.map((generation) => [generation.version, generation] as const))(
  "for %s they print its script of permissions and a WebFarm that is accepted as it is",
  async (version, { product, operator, application }) => {
    const notes = await notesFor(version);
    expect(notes).toContain("GRANT SELECT");
    const input = webFarmOf(notes);
    const args = ["--namespace", namespace, "create", "--dry-run=server", "--validate=strict", "--output", "json", "-f", "-"];
    const { spec } = decodeFarm(JSON.parse(await cluster.kubectl(args, { input })));
    const { mode, settings = mode === undefined ? {} : { CMSWebFarmMode: mode } } = (operator ?? application)?.kentico ?? {};
    const facts = { product: product as Product, hasUrl: ["6", "7-8"].includes(product) };
    expect(settingsVerdict(spec, table([], { facts, settings: { kind: "read", values: settings } }))).toMatchObject({ status: "True" });
  },
);

test("a product that YAML takes for a number is the same one", async () => {
  expect(await notesFor(8.2)).toBe(await notesFor("8.2"));
  expect(await notesFor(6)).toContain("maxServers");
  expect(await notesFor(13)).not.toContain("maxServers");
});
