// Which program is taken, and that a build happens once, whole or not at all. A shell script plays Go.
import { access, chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "@jest/globals";
import { asset, tools } from "./assets.ts";

const variables = [
  "TEST_CACHE_DIR",
  "KUBEBUILDER_ASSETS",
  "PATH",
  ...tools.map((tool) => `TEST_ASSET_${tool.toUpperCase().replaceAll("-", "_")}`),
];
const saved = new Map(variables.map((name) => [name, process.env[name]]));
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "webfarm-assets-"));
  for (const name of variables) if (name !== "PATH") Reflect.deleteProperty(process.env, name);
  process.env["TEST_CACHE_DIR"] = join(folder, "cache");
});

afterEach(async () => {
  for (const [name, value] of saved) {
    if (value === undefined) Reflect.deleteProperty(process.env, name);
    else process.env[name] = value;
  }
  await rm(folder, { recursive: true });
});

/** A `go` that writes its arguments to go.log and then does what the script says; $5 and $6 are -o and its value. */
async function go(script: string): Promise<void> {
  const bin = join(folder, "bin");
  await mkdir(bin, { recursive: true });
  await writeFile(join(bin, "go"), `#!/bin/sh\necho "$PWD $@" >> ${join(folder, "go.log")}\n${script}\n`);
  await chmod(join(bin, "go"), 0o755);
  process.env["PATH"] = `${bin}:${saved.get("PATH") ?? ""}`;
}

async function builds(): Promise<readonly string[]> {
  return (await readFile(join(folder, "go.log"), "utf8")).trim().split("\n");
}

async function file(...path: readonly string[]): Promise<string> {
  const name = join(folder, ...path);
  await mkdir(join(name, ".."), { recursive: true });
  await writeFile(name, "");
  return name;
}

it("takes the program that its own variable names, before the folder of kubebuilder", async () => {
  const etcd = await file("mine", "etcd");
  const kubectl = await file("kubebuilder", "kubectl");
  await file("kubebuilder", "etcd");
  process.env["TEST_ASSET_ETCD"] = etcd;
  process.env["KUBEBUILDER_ASSETS"] = join(folder, "kubebuilder");
  expect(await asset("etcd")).toBe(etcd);
  expect(await asset("kubectl")).toBe(kubectl);
});

it("refuses a variable that names no file instead of building", async () => {
  process.env["TEST_ASSET_KUBE_APISERVER"] = join(folder, "nothing");
  await expect(asset("kube-apiserver")).rejects.toThrow("Cannot use TEST_ASSET_KUBE_APISERVER");
});

it("builds what kubebuilder's folder lacks, in the folder of the pinned module and stamped with its version", async () => {
  await go('echo built > "$6"');
  process.env["KUBEBUILDER_ASSETS"] = folder;
  const path = await asset("kube-scheduler");
  expect(path).toMatch(/webfarm-operator\/bin\/kube-scheduler-v1\.36\.\d+-[0-9a-f]{12}$/);
  await access(path);
  const [build] = await builds();
  expect(build).toMatch(/tools\/kubernetes build -trimpath .*gitVersion=v1\.36\.\d+ .*gitMajor=1 .*gitMinor=36 .*cmd\/kube-scheduler$/);
});

it("builds once when two ask at once, and not again later", async () => {
  await go('sleep 0.3; echo built > "$6"');
  const paths = await Promise.all([asset("etcd"), asset("etcd")]);
  expect(new Set([...paths, await asset("etcd")]).size).toBe(1);
  expect(await builds()).toHaveLength(1);
});

it("takes over the lock of a builder that was killed", async () => {
  await go('echo built > "$6"');
  const path = await asset("etcd");
  await rm(path);
  await writeFile(`${path}.lock`, JSON.stringify({ pid: process.pid, startTime: "0" }));
  expect(await asset("etcd")).toBe(path);
  expect(await builds()).toHaveLength(2);
});

it("leaves nothing in the cache when a build fails, and says what Go said", async () => {
  await go('echo half > "$6"; echo no such module >&2; exit 1');
  await expect(asset("helm")).rejects.toThrow("Cannot build helm: no such module");
  expect(await readdir(join(folder, "cache", "webfarm-operator", "bin"))).toEqual([]);
});
