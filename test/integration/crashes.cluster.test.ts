// The short form of `make e2e` (test/e2e): operators that are killed while pods come and go and connections are cut. Most of its time is the
// 40 s that promise 3 gives the row of a pod that no living process saw.

import { expect, it } from "@jest/globals";
import { asksRealServer } from "../database/database.ts";
import { runCrashes } from "../e2e/crashRun.ts";

const limitMs = 900_000;
/** A real server has no fault script and tells nobody of its commits. */
const itWithFaults = asksRealServer() ? it.skip : it;

itWithFaults(
  "has the rows of the live pods in the end and removed none that might not go, however often and when the operator was killed",
  async () => {
    const report = await runCrashes({ kills: 6, pods: 24, seed: 7 });
    expect(report.problems).toEqual([]);
    const { kills, observed } = report;
    expect(Object.values(kills).reduce((sum, count) => sum + count, 0)).toBe(6);
    // Else nothing was shown.
    expect(report.rows).toBeGreaterThanOrEqual(24);
    expect(observed.podsEnded).toBeGreaterThan(0);
    expect(observed.rowsInserted).toBeGreaterThan(report.rows);
    expect(observed.rowsRemoved).toBeGreaterThan(0);
    // Each row was inserted for a pod, and went or stayed.
    expect(observed.rowsInserted - observed.rowsRemoved).toBe(report.rows);
  },
  limitMs,
);
