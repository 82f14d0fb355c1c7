// That the documents are true where a program can tell: the files that they name exist, and each reason that a condition can have is explained.
import { existsSync, globSync, readFileSync } from "node:fs";
import { describe, expect, test } from "@jest/globals";

const read = (path: string): string => readFileSync(path, "utf8");

describe.each(["README.md", "ARCHITECTURE.md"])("%s", (document) => {
  test("names only files and folders that exist", () => {
    const named = [
      ...read(document).matchAll(
        /`((?:operator|test|crds|charts|farm|pass|kubernetes|sqlserver|observability|controller|scripts)\/[\w./-]*)`/g,
      ),
    ].map(([, path = ""]) => path);
    expect(named.length).toBeGreaterThan(0);
    expect(named.filter((path) => !existsSync(path) && !existsSync(`operator/${path}`))).toEqual([]);
  });

  test("links only to files that exist", () => {
    const links = [...read(document).matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map(([, path = ""]) => path);
    expect(links.filter((path) => !existsSync(path))).toEqual([]);
  });
});

test("the README explains each reason that a condition can have", () => {
  const sources = [
    "operator/farm/{conditions,settings}.ts",
    "operator/pass/{credentials,observe,apply,finalizer}.ts",
    "operator/sqlserver/*.ts",
  ].flatMap((pattern) => globSync(pattern));
  const reasons = new Set(
    sources.flatMap((path) => [...read(path).matchAll(/reason: "([A-Z][A-Za-z]+)"/g)].map(([, reason = ""]) => reason)),
  );
  const readme = read("README.md");
  expect(reasons.size).toBeGreaterThan(40);
  expect([...reasons].filter((reason) => !readme.includes(`\`${reason}\``))).toEqual([]);
});

test("the README names each make target", () => {
  const targets = [...read("Makefile").matchAll(/^(demo|test|check|bench|build):/gm)].map(([, target = ""]) => target);
  expect(targets).toHaveLength(5);
  expect(targets.filter((target) => !read("README.md").includes(`make ${target}`))).toEqual([]);
});
