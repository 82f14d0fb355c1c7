// Runs the bundled operator as its own process with nothing of this process's environment but what is given: as in a cluster, with the
// rights of the chart's ServiceAccount and no others.

import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { appendFileSync } from "node:fs";
import { until } from "./until.ts";

export interface OperatorOptions {
  readonly kubeconfigPath: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Also append the log to this file. */
  readonly logFile?: string;
  /** What is run: default the bundle that `make build` made. */
  readonly entry?: string;
}

export interface OperatorProcess {
  readonly pid: number;
  /** Log lines so far, parsed where they are JSON. */
  readonly lines: readonly LogLine[];
  /** Everything that was written to standard error. */
  readonly stderr: () => string;
  readonly url: () => string;
  /** Resolves when /readyz answers 200. */
  readonly ready: () => Promise<void>;
  readonly metrics: () => Promise<string>;
  readonly signal: (signal: NodeJS.Signals) => void;
  /** kill -9, resolves when the process is gone. */
  readonly kill: () => Promise<void>;
  /** SIGTERM, resolves to the exit code. */
  readonly stop: () => Promise<number | null>;
  /** Resolves to its exit code when all that it wrote has been read. */
  readonly exited: Promise<number | null>;
}

export type LogLine = Readonly<Record<string, unknown>> & { readonly message: string; readonly level?: string };

export function startOperatorProcess(options: OperatorOptions): OperatorProcess {
  const child = spawn(process.execPath, [options.entry ?? "dist/operator.mjs"], {
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: process.env["PATH"] ?? "",
      HOME: process.env["HOME"] ?? "",
      KUBECONFIG: options.kubeconfigPath,
      WEBFARM_HTTP_ADDRESS: "127.0.0.1:0",
      WEBFARM_LEADER_ELECTION: "false", // a process that was killed would be waited for
      ...options.env,
    },
  });
  const lines: LogLine[] = [];
  let errors = "";
  readLines(child, (text) => {
    if (options.logFile !== undefined) appendFileSync(options.logFile, `${text}\n`);
    lines.push(parsed(text));
  });
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString("utf8")));
  // Not "exit": what it wrote last may be still to be read then.
  const exited = new Promise<number | null>((resolve) => child.once("close", (code) => resolve(code)));
  const port = (): unknown => lines.find(({ message }) => message === "The operator runs")?.["port"];
  const url = (): string => `http://127.0.0.1:${String(port())}`;
  const pid = child.pid;
  if (pid === undefined) throw new Error("Cannot start the operator: there is no process");
  const get = async (path: string): Promise<Response> => await fetch(`${url()}${path}`);
  return {
    pid,
    lines,
    stderr: () => errors,
    url,
    ready: () =>
      until("the operator is ready", async () => {
        if (child.exitCode !== null) throw new Error(`The operator ended with ${child.exitCode}: ${errors}`);
        return port() !== undefined && (await get("/readyz").catch(() => undefined))?.status === 200;
      }),
    metrics: async () => await (await get("/metrics")).text(),
    signal: (signal) => child.kill(signal),
    kill: async () => {
      child.kill("SIGKILL");
      await exited;
    },
    stop: async () => {
      child.kill("SIGTERM");
      return await exited;
    },
    exited,
  };
}

function readLines(child: ChildProcess, take: (line: string) => void): void {
  let rest = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    const parts = (rest + chunk.toString("utf8")).split("\n");
    rest = parts.pop() ?? "";
    parts.forEach(take);
  });
}

function parsed(text: string): LogLine {
  try {
    return JSON.parse(text) as LogLine;
  } catch {
    return { message: text };
  }
}
