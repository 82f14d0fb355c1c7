// Writes the README's table of environment variables between its two markers, from the definition in operator/config.ts. With --check it
// writes nothing and fails when the table is not fresh. It never touches anything outside the markers.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { configVariables } from "../operator/config.ts";

const begin = "<!-- config:begin -->";
const end = "<!-- config:end -->";

export function configTable(): string {
  const cell = (text: string): string => text.replaceAll("|", "\\|");
  const rows = configVariables.map(
    ({ name, fallback, rule, description }) =>
      `| \`${name}\` | ${fallback === "" ? "(empty)" : `\`${cell(fallback)}\``} | ${cell(rule)} | ${cell(description)} |`,
  );
  return ["| variable | default | value | meaning |", "| --- | --- | --- | --- |", ...rows].join("\n");
}

/** The text with a fresh table. Throws when the markers are missing, doubled or in the wrong order. */
export function withConfigTable(text: string): string {
  const [before, between, ...more] = text.split(begin);
  const [, after, ...rest] = (between ?? "").split(end);
  if (before === undefined || between === undefined || after === undefined || before.includes(end) || more.length + rest.length > 0)
    throw new Error(`Cannot write the table of variables: the file must contain ${begin} and, below it, ${end}, once each`);
  return `${before}${begin}\n\n${configTable()}\n\n${end}${after}`;
}

async function main(args: readonly string[]): Promise<void> {
  const path = args.find((arg) => arg !== "--check") ?? join(import.meta.dirname, "..", "README.md");
  const text = await readFile(path, "utf8");
  const fresh = withConfigTable(text);
  if (fresh === text) return;
  if (args.includes("--check")) {
    console.error(
      `The table of environment variables in ${path} is not fresh: run \`make generate\` (node scripts/generateConfigTable.ts)`,
    );
    process.exitCode = 1;
  } else await writeFile(path, fresh);
}

if (import.meta.main) await main(process.argv.slice(2));
