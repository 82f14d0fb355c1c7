// The directions of the imports, read from the sources: who may know whom, who alone may use which package or global, and that there are
// no cycles. Each rule says why; a better idea may change a rule. The rules are shown to bite at the end of this file.
import { globSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname, join } from "node:path/posix";
import { describe, expect, test } from "@jest/globals";
import ts from "typescript";

/** Paths from the root of the repository to source texts. */
type Sources = ReadonlyMap<string, string>;

interface Import {
  /** A path from the root, or the name of a package or builtin. */
  readonly target: string;
  readonly isTypeOnly: boolean;
}

interface Module {
  readonly path: string;
  readonly imports: readonly Import[];
  /** Globals and members that are used: `process`, `Date.now`, `await`. */
  readonly uses: ReadonlySet<string>;
}

interface Place {
  /** What below operator/ it may import besides itself: folders end in "/". */
  readonly knows: readonly string[];
  readonly packages: readonly string[];
  readonly why: string;
}

const smallValues = ["clock.ts", "logger.ts", "random.ts", "backoff.ts", "lease.ts", "mayWrite.ts"].map((file) => `controller/${file}`);

/** The first place that a path begins with holds. */
const places: Readonly<Record<string, Place>> = {
  "farm/": {
    knows: [],
    packages: ["node:crypto"],
    why: "the core is what we believe, as values and functions: it knows only itself (node:crypto for the hashes of the mark)",
  },
  "controller/": { knows: [], packages: [], why: "how work is driven knows keys, not farms, drivers or logs" },
  "kubernetes/": {
    knows: ["farm/", ...smallValues],
    packages: ["@kubernetes/client-node", "undici", "node:*"],
    why: "an adapter knows the farm and its own driver, not the other adapter; of controller/ only clock, logger, random, backoff, lease and mayWrite, which are interfaces and values",
  },
  "sqlserver/": {
    knows: ["farm/", ...smallValues],
    packages: ["mssql", "tedious", "node:*"],
    why: "an adapter knows the farm and its own driver, not the other adapter; of controller/ only clock, logger, random, backoff, lease and mayWrite, which are interfaces and values",
  },
  "observability/": {
    knows: [],
    packages: ["winston", "prom-client", "node:*"],
    why: "what people see is told by others: it knows only winston, prom-client and node's own modules",
  },
  "pass/": {
    knows: ["farm/", "controller/"],
    packages: ["node:*"],
    why: "the steps of a pass use the adapters through small interfaces, so that the fakes of the tests can stand in for them",
  },
  "reconcile.ts": {
    knows: ["farm/", "pass/", "controller/"],
    packages: [],
    why: "the page to read first declares what it needs; main gives it the adapters",
  },
  "config.ts": { knows: [], packages: ["zod", "node:net"], why: "the environment is decoded at the border, without knowing who wants it" },
  "": { knows: [""], packages: ["*"], why: "the composition root" },
};

const placeOf = (path: string): string => Object.keys(places).find((place) => path.startsWith(`operator/${place}`)) ?? "";

interface Reserved {
  readonly what: RegExp;
  readonly onlyIn: RegExp;
  readonly why: string;
}

const reservedPackages: readonly Reserved[] = [
  { what: /^(@kubernetes\/client-node|undici)(\/|$)/, onlyIn: /^operator\/kubernetes\//, why: "only kubernetes/ talks to the API server" },
  { what: /^(mssql|tedious)(\/|$)/, onlyIn: /^operator\/sqlserver\//, why: "only sqlserver/ talks to databases" },
  {
    what: /^(winston|prom-client)(\/|$)/,
    onlyIn: /^operator\/observability\//,
    why: "components see a small Logger and small metrics interfaces",
  },
  { what: /^zod(\/|$)/, onlyIn: /^operator\/config\.ts$/, why: "the environment is parsed once, in config.ts" },
];

const reservedUses: readonly Reserved[] = [
  { what: /^process$/, onlyIn: /^operator\/main\.ts$/, why: "main.ts alone reads process.*; everything else is told" },
  {
    what: /^(Date\.now|new Date\(\)|performance|Math\.random|setTimeout|setInterval|setImmediate|queueMicrotask|randomUUID|randomBytes|randomInt)$/,
    onlyIn: /^operator\/(?!farm\/)/,
    why: "time and randomness come into the core as arguments, so that a decision can be repeated",
  },
  {
    what: /^(async|await|Promise|console|fetch)$/,
    onlyIn: /^operator\/(?!farm\/)/,
    why: "the core decides and does nothing: no promise, no log, no call",
  },
  {
    what: /^(Date\.now|Math\.random|setTimeout|setInterval)$/,
    onlyIn: /^operator\/(?!controller\/(?!clock\.ts|random\.ts))/,
    why: "in controller/ only clock.ts reads the time and sets timers, and only random.ts is random: tests give their own",
  },
];

function parse(path: string, source: string): Module {
  const imports: Import[] = [];
  const uses = new Set<string>();
  const add = (specifier: ts.Expression | undefined, isTypeOnly: boolean): void => {
    if (specifier === undefined || !ts.isStringLiteralLike(specifier)) return;
    const target = specifier.text.startsWith(".") ? join(dirname(path), specifier.text) : specifier.text;
    imports.push({ target: builtinModules.includes(target) ? `node:${target}` : target, isTypeOnly });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      // `import { type A }` still loads the module at run time under verbatimModuleSyntax; only `import type` does not.
      add(node.moduleSpecifier, node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword);
      for (const name of importedNames(node)) uses.add(name);
      return;
    }
    if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly);
    if (ts.isCallExpression(node) && (node.expression.kind === ts.SyntaxKind.ImportKeyword || node.expression.getText() === "require"))
      add(node.arguments[0], false);
    if (ts.isPropertyAccessExpression(node)) {
      uses.add(`${node.expression.getText()}.${node.name.text}`);
      // The name behind a dot is not a global: `child.process` says nothing.
      visit(node.expression);
      return;
    }
    if (ts.isPropertyAssignment(node)) {
      visit(node.initializer);
      return;
    }
    if (ts.isTypeNode(node)) return;
    if (ts.isNewExpression(node) && node.expression.getText() === "Date" && (node.arguments ?? []).length === 0) uses.add("new Date()");
    if (ts.isIdentifier(node)) uses.add(node.text);
    if (node.kind === ts.SyntaxKind.AsyncKeyword) uses.add("async");
    if (ts.isAwaitExpression(node)) uses.add("await");
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(path, source, ts.ScriptTarget.ES2023, true));
  if (imports.some(({ target }) => target === "node:process")) uses.add("process");
  return { path, imports, uses };
}

function importedNames(node: ts.ImportDeclaration): readonly string[] {
  const bindings = node.importClause?.namedBindings;
  if (bindings === undefined || !ts.isNamedImports(bindings)) return [];
  return bindings.elements.map(({ name, propertyName }) => (propertyName ?? name).text);
}

/** Everything that goes the wrong way, one sentence each. */
function violations(sources: Sources): readonly string[] {
  const modules = [...sources].map(([path, source]) => parse(path, source));
  return [...modules.flatMap(violationsOf), ...cycles(modules)];
}

function violationsOf({ path, imports, uses }: Module): readonly string[] {
  const place = places[placeOf(path)];
  const own = `operator/${placeOf(path)}`;
  const found: string[] = [];
  for (const { target } of imports) {
    const isInside = target.startsWith("operator/");
    const isAllowed = isInside
      ? (own.endsWith("/") && target.startsWith(own)) || place?.knows.some((known) => target.startsWith(`operator/${known}`))
      : place?.packages.some((name) => name === "*" || target === name || (name.endsWith("*") && target.startsWith(name.slice(0, -1))));
    if (!isAllowed) found.push(`${path} imports ${target}: ${place?.why ?? "no rule"}`);
    for (const { what, onlyIn, why } of reservedPackages)
      if (what.test(target) && !onlyIn.test(path)) found.push(`${path} imports ${target}: ${why}`);
  }
  for (const use of uses)
    for (const { what, onlyIn, why } of reservedUses) if (what.test(use) && !onlyIn.test(path)) found.push(`${path} uses ${use}: ${why}`);
  return found;
}

/** Of imports that load something; a type may name its user. */
function cycles(modules: readonly Module[]): readonly string[] {
  const byPath = new Map(modules.map((module) => [module.path, module]));
  const finished = new Set<string>();
  const found: string[] = [];
  const walk = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start >= 0) {
      found.push(`${[...trail.slice(start), path].join(" -> ")}: a cycle, so none of them can be understood or tested alone`);
      return;
    }
    if (finished.has(path)) return;
    for (const { target, isTypeOnly } of byPath.get(path)?.imports ?? []) if (!isTypeOnly) walk(target, [...trail, path]);
    finished.add(path);
  };
  for (const { path } of modules) walk(path, []);
  return found;
}

test("every import of operator/ goes in its direction", () => {
  const paths = globSync("operator/**/*.ts");
  expect(paths).toContain("operator/controller/clock.ts");
  expect(violations(new Map(paths.map((path) => [path, readFileSync(path, "utf8")])))).toEqual([]);
});

describe("the rules bite:", () => {
  test.each<[string, string, string]>([
    ["operator/farm/plan.ts", 'import { systemClock } from "../controller/clock.ts";', "it knows only itself"],
    ["operator/farm/plan.ts", 'import { readFileSync } from "node:fs";', "it knows only itself"],
    ["operator/farm/plan.ts", 'import { randomUUID } from "node:crypto";', "come into the core as arguments"],
    ["operator/farm/plan.ts", "export const now = () => Date.now();", "come into the core as arguments"],
    ["operator/farm/plan.ts", "export const now = () => new Date();", "come into the core as arguments"],
    ["operator/farm/plan.ts", "export const pick = () => Math.random();", "come into the core as arguments"],
    ["operator/farm/plan.ts", "setTimeout(() => undefined, 5);", "come into the core as arguments"],
    ["operator/farm/plan.ts", "export async function plan() {}", "no promise"],
    ["operator/controller/workers.ts", 'import type { Plan } from "../farm/plan.ts";', "knows keys, not farms"],
    ["operator/controller/workers.ts", "export const now = () => Date.now();", "only clock.ts reads the time"],
    ["operator/kubernetes/pods.ts", 'import { pool } from "../sqlserver/pool.ts";', "not the other adapter"],
    ["operator/kubernetes/pods.ts", 'import { WorkQueue } from "../controller/workQueue.ts";', "not the other adapter"],
    ["operator/sqlserver/pool.ts", 'import { request } from "undici";', "only kubernetes/ talks to the API server"],
    ["operator/sqlserver/pool.ts", 'import { createLogger } from "winston";', "components see a small Logger"],
    ["operator/reconcile.ts", 'export const pool = await import("mssql");', "only sqlserver/ talks to databases"],
    ["operator/reconcile.ts", 'import { livePod } from "./kubernetes/livePods.ts";', "main gives it the adapters"],
    ["operator/main.ts", 'import { KubeConfig } from "@kubernetes/client-node";', "only kubernetes/ talks to the API server"],
    ["operator/observability/log.ts", 'export * from "../farm/model.ts";', "is told by others"],
    ["operator/kubernetes/client.ts", "export const home = process.env.HOME;", "main.ts alone reads process.*"],
    ["operator/kubernetes/client.ts", 'import { env } from "process";', "main.ts alone reads process.*"],
  ])("%s: %s", (path, source, reason) => {
    expect(violations(new Map([[path, source]])).join("\n")).toContain(reason);
  });

  test.each([
    [
      "operator/kubernetes/pods.ts",
      'import { watchBackoff } from "../controller/backoff.ts"; import type { Pod } from "../farm/model.ts";',
    ],
    [
      "operator/farm/hasEnded.ts",
      'import { type Pod } from "./model.ts"; export const at = (ms: number) => new Date(ms); export type Later = Promise<Pod>;',
    ],
    ["operator/farm/hasEnded.ts", "export const view = (child: { process: string }) => ({ process: child.process });"],
    ["operator/main.ts", 'import { parseConfig } from "./config.ts"; import { hostname } from "node:os"; process.exitCode = 2;'],
  ])("what goes the right way is left alone in %s: %s", (path, source) => {
    expect(violations(new Map([[path, source]]))).toEqual([]);
  });

  test("a cycle is named, a type that names its user is none", () => {
    const cycle = (first: string): Sources =>
      new Map([
        ["operator/farm/a.ts", first],
        ["operator/farm/b.ts", 'import { c } from "./c.ts";'],
        ["operator/farm/c.ts", 'import { a } from "./a.ts";'],
      ]);
    const path = "operator/farm/a.ts -> operator/farm/b.ts -> operator/farm/c.ts -> operator/farm/a.ts";
    expect(violations(cycle('import { b } from "./b.ts";'))).toEqual([expect.stringContaining(path)]);
    expect(violations(cycle('import type { b } from "./b.ts";'))).toEqual([]);
  });
});
