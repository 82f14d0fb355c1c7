// The chart carries the CRD itself, not a version of it.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "@jest/globals";

const root = join(import.meta.dirname, "../..");

test("The chart's copy of the CRD is byte for byte the CRD (else run: make generate)", async () => {
  const source = await readFile(join(root, "crds/webfarm.dev_webfarms.yaml"));
  const copy = await readFile(join(root, "charts/webfarm-operator/files/crds/webfarm.dev_webfarms.yaml"));
  expect(copy.equals(source)).toBe(true);
});
