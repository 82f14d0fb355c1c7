// How the demo speaks: chapters, commands with their output, rows as a table, and checks that are counted.

export interface Story {
  readonly chapter: (title: string) => void;
  readonly say: (text: string) => void;
  readonly command: (command: string, output: string) => void;
  readonly rows: (title: string, rows: readonly object[]) => void;
  readonly check: (what: string, holds: boolean) => void;
  /** Prints what was checked; true when everything held. */
  readonly summary: () => boolean;
}

export function createStory(print: (line: string) => void = (line) => void process.stdout.write(`${line}\n`)): Story {
  const checks: { readonly what: string; readonly holds: boolean }[] = [];
  const started = performance.now();
  const seconds = (): string => ((performance.now() - started) / 1000).toFixed(0).padStart(3);
  const indented = (text: string): string => text.trimEnd().replace(/^/gm, "    ");
  let chapters = 0;
  return {
    chapter: (title) => {
      chapters += 1;
      print(`\n${seconds()} s  ${chapters}. ${title}\n${"-".repeat(72)}`);
    },
    say: (text) => print(`  ${text}`),
    command: (command, output) => print(`\n  $ ${command}\n${indented(output)}\n`),
    rows: (title, rows) => print(`\n  ${title}\n${indented(table(rows))}\n`),
    check: (what, holds) => {
      checks.push({ what, holds });
      print(`  ${holds ? "ok" : "WRONG"}  ${what}`);
    },
    summary: () => {
      const wrong = checks.filter(({ holds }) => !holds);
      print(`\n${seconds()} s  ${checks.length - wrong.length} of ${checks.length} checks held${wrong.length === 0 ? "." : ":"}`);
      for (const { what } of wrong) print(`  WRONG  ${what}`);
      return wrong.length === 0 && checks.length > 0;
    },
  };
}

function table(rows: readonly object[]): string {
  const [first] = rows;
  if (first === undefined) return "(no rows)";
  const columns = Object.keys(first);
  const cells = [columns, ...rows.map((row) => columns.map((column) => String((row as Record<string, unknown>)[column])))];
  const widths = columns.map((_, index) => Math.max(...cells.map((line) => line[index]?.length ?? 0)));
  return cells.map((line) => line.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join("  ")).join("\n");
}
