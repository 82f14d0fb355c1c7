// Ranges of a clustered key are read in its order, without the rows before and behind: whatever was inserted, deleted or undone.
import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { enter, servers, startFarm } from "./conversation.ts";

interface Step {
  readonly verb: "insert" | "delete" | "read";
  readonly server: 1 | 2;
  readonly tasks: readonly number[];
  readonly end: "COMMIT" | "ROLLBACK";
  readonly above: number;
  readonly upTo: number;
  readonly top: number;
}

const task = fc.integer({ min: 1, max: 60 });
const step: fc.Arbitrary<Step> = fc.record({
  verb: fc.constantFrom("insert", "insert", "delete", "read"),
  server: fc.constantFrom(1, 2),
  tasks: fc.uniqueArray(task, { minLength: 1, maxLength: 12, size: "max" }),
  end: fc.constantFrom("COMMIT", "ROLLBACK"),
  above: fc.integer({ min: 0, max: 60 }),
  upTo: fc.integer({ min: 0, max: 61 }),
  top: fc.integer({ min: 0, max: 8 }),
});

test("a read by key, and a delete by key, find the rows that are there, in the key's order", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 60, size: "max" }), async (steps) => {
      const { db, engine } = await startFarm();
      const other = enter(engine, { database: "farm" });
      await db.ask(`${servers} INSERT INTO dbo.Servers (Name) VALUES (N'a'), (N'b');`);
      let there: readonly (readonly [server: number, task: number])[] = [];
      for (const { verb, server, tasks, end, above, upTo, top } of steps) {
        const range = `b.ServerID = ${server} AND b.TaskID > ${above} AND ${upTo} >= 0 AND b.TaskID <= ${upTo}`;
        const within = there.filter(([of, id]) => of === server && id > above && id <= upTo).map(([, id]) => id);
        if (verb === "read") {
          const found = await db.column(`SELECT TOP (${top}) b.TaskID FROM dbo.Bindings AS b WHERE ${range} ORDER BY b.TaskID`);
          expect(found).toEqual(within.toSorted((a, b) => a - b).slice(0, top));
          continue;
        }
        const fresh = tasks.filter((id) => !there.some(([of, other]) => of === server && other === id));
        const write =
          verb === "delete"
            ? `DELETE TOP (${top}) b FROM dbo.Bindings AS b WHERE ${range};`
            : fresh.map((id) => `INSERT INTO dbo.Bindings VALUES (${server}, ${id});`).join(" ");
        expect((await db.ask(`BEGIN TRANSACTION; ${write}`)).errors).toEqual([]);
        // Another session reads what was committed last.
        const seen = await other.column(`SELECT TOP (${top}) b.TaskID FROM dbo.Bindings AS b WHERE ${range} ORDER BY b.TaskID`);
        expect(seen).toEqual(within.toSorted((a, b) => a - b).slice(0, top));
        expect(await other.one("SELECT COUNT(*) AS n FROM dbo.Bindings")).toEqual({ n: there.length });
        const { errors, sets } = await db.ask(`${end} TRANSACTION; SELECT b.ServerID, b.TaskID FROM dbo.Bindings AS b`);
        expect(errors).toEqual([]);
        const now = (sets.at(-1) ?? []).map((row) => [Number(row["ServerID"]), Number(row["TaskID"])] as const);
        const left = there.filter(([of, id]) => !now.some(([nowOf, nowId]) => nowOf === of && nowId === id));
        const came = now.filter(([of, id]) => !there.some(([wasOf, wasId]) => wasOf === of && wasId === id));
        const isDone = end === "COMMIT";
        expect(came).toHaveLength(isDone && verb === "insert" ? fresh.length : 0);
        expect(left).toHaveLength(isDone && verb === "delete" ? Math.min(top, within.length) : 0);
        expect(left.filter(([of, id]) => of !== server || !within.includes(id))).toEqual([]);
        there = now;
      }
    }),
    { numRuns: 60 },
  );
});

test("a delete of the first rows of many leaves it to chance which", async () => {
  const values = Array.from({ length: 50 }, (_, task) => `(1, ${task})`).join(", ");
  const gone = new Set<number>();
  for (let round = 0; round < 20; round += 1) {
    const { db } = await startFarm({ seed: round });
    await db.ask(`${servers} INSERT INTO dbo.Servers (Name) VALUES (N'a'); INSERT INTO dbo.Bindings VALUES ${values};`);
    const { sets } = await db.ask(
      "DELETE TOP (1) b FROM dbo.Bindings AS b INNER JOIN dbo.Servers AS s ON s.ID = b.ServerID; SELECT TaskID FROM dbo.Bindings;",
    );
    const left = (sets[0] ?? []).map((row) => Number(row["TaskID"]));
    for (let task = 0; task < 50; task += 1) if (!left.includes(task)) gone.add(task);
  }
  expect(gone.size).toBeGreaterThan(1);
});
