// Every example resource is accepted by a real API server, which also refuses fields that it does not know.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import { type CrdCluster, startCrdCluster } from "./crdCluster.ts";

const folder = join(import.meta.dirname, "../../crds/examples");
const files = await readdir(folder);

// Each kubectl takes 50 ms alone and far longer beside other tests.
jest.setTimeout(300_000);

let cluster: CrdCluster;
let namespace: string;

beforeAll(async () => {
  cluster = await startCrdCluster();
  namespace = await cluster.namespace();
});
afterAll(() => cluster.stop());

test("there are examples", () => {
  expect(files.filter((file) => file.endsWith(".yaml"))).toEqual(files);
  expect(files).toContain("minimal.yaml");
});

test.each(files)("%s is accepted", async (file) => {
  const input = await readFile(join(folder, file), "utf8");
  const answer = await cluster.kubectl(["--namespace", namespace, "create", "--dry-run=server", "--validate=strict", "-f", "-"], { input });
  expect(answer).toContain("created (server dry run)");
});
