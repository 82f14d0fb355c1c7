// One operator of a scenario: the bundle as a process of its own, started, killed, stopped and woken as the steps say, over a wire to the API
// server that can fall silent.

import { readFileSync, writeFileSync } from "node:fs";
import { startOperatorProcess } from "../../world/operatorProcess.ts";
import type { OperatorProcess } from "../../world/operatorProcess.ts";
import { startRelay } from "./relay.ts";
import type { Relay } from "./relay.ts";

export interface ScenarioOperatorOptions {
  readonly name: string;
  readonly kubeconfigPath: string;
  readonly env: Readonly<Record<string, string>>;
  /** Whether its wire will have to fall silent. */
  readonly needsRelay: boolean;
}

export class ScenarioOperator {
  readonly name: string;
  /** The one that runs, or is paused. */
  process: OperatorProcess | undefined;
  isPaused = false;
  isApiSilent = false;
  readonly #options: ScenarioOperatorOptions;
  readonly #relay: Relay | undefined;
  readonly #ended: OperatorProcess[] = [];

  private constructor(options: ScenarioOperatorOptions, relay: Relay | undefined) {
    this.name = options.name;
    this.#options = options;
    this.#relay = relay;
  }

  /** Not started. */
  static async prepare(options: ScenarioOperatorOptions): Promise<ScenarioOperator> {
    if (!options.needsRelay) return new ScenarioOperator(options, undefined);
    const kubeconfigPath = `${options.kubeconfigPath}.relayed`;
    const config = JSON.parse(readFileSync(options.kubeconfigPath, "utf8")) as { clusters: { cluster: { server: string } }[] };
    const server = new URL(config.clusters[0]?.cluster.server ?? "");
    const relay = await startRelay({ host: server.hostname, port: Number(server.port) });
    server.port = String(relay.port);
    for (const { cluster } of config.clusters) cluster.server = server.href.replace(/\/$/, "");
    writeFileSync(kubeconfigPath, JSON.stringify(config), { mode: 0o600 });
    return new ScenarioOperator({ ...options, kubeconfigPath }, relay);
  }

  /** Resolves when it is ready, or at once where it cannot be. */
  async start(): Promise<void> {
    if (this.process !== undefined) throw new Error(`Operator ${this.name} runs`);
    const { kubeconfigPath, env } = this.#options;
    this.process = startOperatorProcess({ kubeconfigPath, env });
    if (!this.isApiSilent) await this.process.ready();
  }

  /** With SIGTERM; resolves when it has ended. */
  async stop(): Promise<void> {
    await this.#running().stop();
    this.#forget();
  }

  async crash(): Promise<void> {
    await this.#running().kill();
    this.#forget();
  }

  #forget(): void {
    this.#ended.push(this.#running());
    this.process = undefined;
    this.isPaused = false;
  }

  pause(): void {
    this.#running().signal("SIGSTOP");
    this.isPaused = true;
  }

  resume(): void {
    this.process?.signal("SIGCONT");
    this.isPaused = false;
  }

  silenceApi(): void {
    if (this.#relay === undefined) throw new Error(`Nobody foresaw that the API would be silent for operator ${this.name}`);
    this.#relay.fallSilent();
    this.isApiSilent = true;
  }

  answerApi(): void {
    this.#relay?.speak();
    this.isApiSilent = false;
  }

  /** Also what ended processes said, oldest first. */
  lines(): OperatorProcess["lines"] {
    return [...this.#ended, ...(this.process === undefined ? [] : [this.process])].flatMap(({ lines }) => lines);
  }

  async close(): Promise<void> {
    if (this.process !== undefined) await this.crash();
    await this.#relay?.close();
  }

  #running(): OperatorProcess {
    if (this.process === undefined) throw new Error(`Operator ${this.name} does not run`);
    return this.process;
  }
}
