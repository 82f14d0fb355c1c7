// Writes the README's generated parts between their markers: the reference of the spec from the CRD, the permission script from the
// statements, the table of variables from operator/config.ts. With --check it writes nothing and fails when a part is not fresh. It never touches anything outside the markers.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import { configVariables } from "../operator/config.ts";
import { catalogues } from "../operator/sqlserver/catalogues.ts";
import { permissionScript } from "../operator/sqlserver/permissions.ts";

interface Schema {
  readonly description?: string;
  readonly type?: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
}

const root = join(import.meta.dirname, "..");

const cell = (text: string): string => text.replaceAll("\n", " ").replaceAll("|", "\\|");

/** Each environment variable: name, default, rule, meaning. */
export function configTable(): string {
  const rows = configVariables.map(
    ({ name, fallback, rule, description }) =>
      `| \`${name}\` | ${fallback === "" ? "(empty)" : `\`${cell(fallback)}\``} | ${cell(rule)} | ${cell(description)} |`,
  );
  return ["| variable | default | value | meaning |", "| --- | --- | --- | --- |", ...rows].join("\n");
}

/** Each field of the spec: path, values, default, meaning. */
export function specTable(crdText: string): string {
  const crd = parse(crdText) as { spec: { versions: readonly { schema: { openAPIV3Schema: Schema } }[] } };
  const spec = crd.spec.versions[0]?.schema.openAPIV3Schema.properties?.["spec"];
  if (spec === undefined) throw new Error("Cannot write the reference: the CRD has no spec");
  return ["| field | values | default | meaning |", "| --- | --- | --- | --- |", ...rowsOf(spec, "")].join("\n");
}

function rowsOf(schema: Schema, path: string): readonly string[] {
  const properties = (schema.type === "array" ? schema.items : schema)?.properties ?? {};
  const required = (schema.type === "array" ? schema.items : schema)?.required ?? [];
  return Object.entries(properties).flatMap(([name, field]) => {
    const here = path === "" ? name : `${path}.${name}`;
    const shown = field.type === "array" && field.items?.properties !== undefined ? `${here}[]` : here;
    const values = field.enum?.join(", ") ?? (field.type === "array" ? `list of ${field.items?.type ?? "values"}s` : (field.type ?? ""));
    const fallback = required.includes(name) ? "required" : field.default === undefined ? "" : `\`${JSON.stringify(field.default)}\``;
    const row = `| \`${shown}\` | ${values} | ${fallback} | ${cell(field.description ?? "")} |`;
    return [row, ...rowsOf(field, shown)];
  });
}

/** The text with a fresh body between `<!-- name:begin -->` and `<!-- name:end -->`. Throws unless each marker is there once, in order. */
export function withPart(text: string, name: string, body: string): string {
  const [begin, end] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`];
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from || text.lastIndexOf(begin) !== from || text.lastIndexOf(end) !== to)
    throw new Error(`Cannot write ${name}: the file must contain ${begin} and, below it, ${end}, once each`);
  return `${text.slice(0, from)}${begin}\n\n${body}\n\n${text.slice(to)}`;
}

/** The text with every generated part fresh. Throws where a marker is missing, doubled or in the wrong order. */
export function withFreshParts(text: string, crdText: string): string {
  const permissions = `\`\`\`sql\n${permissionScript("dbo", catalogues["13"]).trimEnd()}\n\`\`\``;
  const parts = { permissions, spec: specTable(crdText), config: configTable() };
  return Object.entries(parts).reduce((fresh, [name, body]) => withPart(fresh, name, body), text);
}

async function main(args: readonly string[]): Promise<void> {
  const path = args.find((arg) => arg !== "--check") ?? join(root, "README.md");
  const text = await readFile(path, "utf8");
  const fresh = withFreshParts(text, await readFile(join(root, "crds/webfarm.dev_webfarms.yaml"), "utf8"));
  if (fresh === text) return;
  if (args.includes("--check")) {
    console.error(`${path} is not fresh: run \`make generate\` (node scripts/generateReadme.ts)`);
    process.exitCode = 1;
  } else await writeFile(path, fresh);
}

if (import.meta.main) await main(process.argv.slice(2));
