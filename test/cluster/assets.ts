// Finds the programs of the control plane, or builds them from the go.mod files in tools/: TEST_ASSET_<PROGRAM> first,
// then KUBEBUILDER_ASSETS, then the cache. It never downloads a binary, and never builds what somebody brought along.
import { spawn } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { access, chmod, link, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { identify, isAlive, isErrorCode } from "./processes.ts";
import type { ProcessIdentity } from "./processes.ts";

export type Tool = "etcd" | "kube-apiserver" | "kubectl" | "kube-controller-manager" | "kube-scheduler" | "kwok" | "helm";

interface Recipe {
  /** Folder under tools/ whose go.mod and go.sum pin everything. */
  readonly folder: string;
  /** The module whose version is the tool's version. */
  readonly module: string;
  readonly main: string;
  /** Build time on two busy cores with nothing cached. */
  readonly coldMinutes: number;
  readonly stamps: (version: string) => Readonly<Record<string, string>>;
}

const noStamps = (): Readonly<Record<string, string>> => ({});

// Without the stamps /version says v0.0.0 and Helm refuses every chart with a kubeVersion.
function kubernetes(program: string, coldMinutes: number): Recipe {
  const stamps = (version: string): Readonly<Record<string, string>> => {
    const [major = "", minor = ""] = version.replace(/^v/, "").split(".");
    const target = "k8s.io/component-base/version";
    return { [`${target}.gitVersion`]: version, [`${target}.gitMajor`]: major, [`${target}.gitMinor`]: minor };
  };
  return { folder: "kubernetes", module: "k8s.io/kubernetes", main: `k8s.io/kubernetes/cmd/${program}`, coldMinutes, stamps };
}

const recipes: Readonly<Record<Tool, Recipe>> = {
  etcd: { folder: "etcd", module: "go.etcd.io/etcd/server/v3", main: "go.etcd.io/etcd/server/v3", coldMinutes: 1, stamps: noStamps },
  "kube-apiserver": kubernetes("kube-apiserver", 5),
  kubectl: kubernetes("kubectl", 1),
  "kube-controller-manager": kubernetes("kube-controller-manager", 2),
  "kube-scheduler": kubernetes("kube-scheduler", 1),
  kwok: { folder: "kwok", module: "sigs.k8s.io/kwok", main: "sigs.k8s.io/kwok/cmd/kwok", coldMinutes: 2, stamps: noStamps },
  helm: {
    folder: "helm",
    module: "helm.sh/helm/v4",
    main: "helm.sh/helm/v4/cmd/helm",
    coldMinutes: 3,
    stamps: (version) => ({ "helm.sh/helm/v4/internal/version.version": version }),
  },
};

export const tools = Object.keys(recipes) as readonly Tool[];

/** Path of the program. Builds it first, with a line on stderr, when nobody brought it and the cache has none. */
export async function asset(tool: Tool): Promise<string> {
  const found = await locate(tool);
  if (found.kind === "missing") await build(tool, found.build);
  return found.path;
}

/** Paths of the programs, built one after the other: two Go builds at once only take each other's cores. */
export async function assets<T extends Tool>(wanted: readonly T[]): Promise<Readonly<Record<T, string>>> {
  const paths: Partial<Record<T, string>> = {};
  for (const tool of wanted) paths[tool] = await asset(tool);
  return paths as Record<T, string>;
}

interface Build {
  readonly recipe: Recipe;
  readonly version: string;
  readonly folder: string;
  readonly target: string;
}

type Location =
  { readonly kind: "found"; readonly path: string } | { readonly kind: "missing"; readonly path: string; readonly build: Build };

async function locate(tool: Tool): Promise<Location> {
  const variable = `TEST_ASSET_${tool.toUpperCase().replaceAll("-", "_")}`;
  const named = process.env[variable];
  if (named !== undefined && named !== "") {
    if (!(await exists(named))) throw new Error(`Cannot use ${variable} as there is no file ${named}`);
    return { kind: "found", path: named };
  }
  const folder = process.env["KUBEBUILDER_ASSETS"];
  if (folder !== undefined && folder !== "" && (await exists(join(folder, tool)))) return { kind: "found", path: join(folder, tool) };
  const plan = await buildPlan(tool);
  return (await exists(plan.target)) ? { kind: "found", path: plan.target } : { kind: "missing", path: plan.target, build: plan };
}

async function buildPlan(tool: Tool): Promise<Build> {
  const recipe = recipes[tool];
  const folder = join(import.meta.dirname, "tools", recipe.folder);
  const goMod = await readFile(join(folder, "go.mod"), "utf8");
  const version = goMod
    .split("\n")
    .map((line) =>
      line
        .trim()
        .replace(/^require /, "")
        .split(" "),
    )
    .find(([module]) => module === recipe.module)?.[1];
  if (version === undefined)
    throw new Error(`Cannot read the version of ${tool} as tools/${recipe.folder}/go.mod does not require ${recipe.module}`);
  const hash = createHash("sha256").update(goMod).update(linkerFlags(recipe, version)).digest("hex").slice(0, 12);
  return { recipe, version, folder, target: join(cacheFolder(), `${tool}-${version}-${hash}`) };
}

function cacheFolder(): string {
  const root = process.env["TEST_CACHE_DIR"] ?? process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  return join(root, "webfarm-operator", "bin");
}

function linkerFlags(recipe: Recipe, version: string): string {
  const stamps = Object.entries(recipe.stamps(version)).map(([name, value]) => `-X ${name}=${value}`);
  return ["-s", "-w", ...stamps].join(" ");
}

async function build(tool: Tool, plan: Build): Promise<void> {
  await mkdir(dirname(plan.target), { recursive: true });
  const lock = `${plan.target}.lock`;
  const release = await acquire(lock, tool);
  try {
    // Whoever held the lock before us was building the same thing.
    if (await exists(plan.target)) return;
    const place = `${tools.indexOf(tool) + 1} of ${tools.length}`;
    progress(`building ${tool} ${plan.version} (${place}, about ${plan.recipe.coldMinutes} min on a cold machine) …`);
    const started = Date.now();
    const unfinished = `${plan.target}.${process.pid}.tmp`;
    try {
      await compile(tool, plan, unfinished);
      await chmod(unfinished, 0o755);
      await rename(unfinished, plan.target);
    } finally {
      await rm(unfinished, { force: true });
    }
    progress(`built ${tool} ${plan.version} in ${Math.round((Date.now() - started) / 1000)} s`);
  } finally {
    await release();
  }
}

async function compile(tool: Tool, plan: Build, output: string): Promise<void> {
  const args = ["build", "-trimpath", "-ldflags", linkerFlags(plan.recipe, plan.version), "-o", output, plan.recipe.main];
  const child = spawn("go", args, { cwd: plan.folder, stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, GOWORK: "off" } });
  let complaint = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    complaint += text;
  });
  const alive = setInterval(() => progress(`still building ${tool} …`), 60_000);
  try {
    await new Promise<void>((resolve, reject) => {
      child.on("error", (cause) =>
        reject(new Error(`Cannot build ${tool} as go does not start (Go >= 1.26 has to be on the PATH)`, { cause })),
      );
      child.on("close", (code) => (code === 0 ? resolve() : reject(new Error(`Cannot build ${tool}: ${complaint.trim()}`))));
    });
  } finally {
    clearInterval(alive);
  }
}

/** Waits while another living process holds the lock; a dead one's lock is taken over. Returns the release. */
async function acquire(lock: string, tool: Tool): Promise<() => Promise<void>> {
  // Linking a finished file makes the lock and its owner's name appear in one step.
  const own = `${lock}.${randomUUID()}`;
  await writeFile(own, JSON.stringify(identify(process.pid)));
  try {
    let toldAt = 0;
    while (!(await take(own, lock))) {
      // Two that take over the same lock both build, which costs time and nothing else: each renames a whole file into place.
      if (!(await isHeld(lock))) await rm(lock, { force: true });
      else if (Date.now() - toldAt > 60_000) {
        progress(`waiting for another process that builds ${tool} …`);
        toldAt = Date.now();
      }
      await wait(250);
    }
  } finally {
    await rm(own);
  }
  return () => rm(lock, { force: true });
}

async function take(own: string, lock: string): Promise<boolean> {
  try {
    await link(own, lock);
    return true;
  } catch (error) {
    if (isErrorCode(error, "EEXIST")) return false;
    throw error;
  }
}

async function isHeld(lock: string): Promise<boolean> {
  try {
    return isAlive(JSON.parse(await readFile(lock, "utf8")) as ProcessIdentity);
  } catch (error) {
    if (isErrorCode(error, "ENOENT")) return false;
    throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function progress(line: string): void {
  process.stderr.write(`${line}\n`);
}

// No top-level await: jest loads what globalSetup imports with require, which cannot wait.
if (import.meta.main) {
  assets(tools).then(
    (paths) => {
      for (const [tool, path] of Object.entries(paths)) process.stdout.write(`${tool} ${path}\n`);
    },
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      process.exitCode = 1;
    },
  );
}
