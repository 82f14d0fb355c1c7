// One effect of a simulated process: what is to be done on the truth, and who waits for the answer. It is executed at most once, also long
// after its sender has died, and a dead or stopped process hears nothing.

import type { Effect, EffectKind, EffectState } from "./effects.ts";
import type { SimProcess } from "./simProcess.ts";

type Outcome = { readonly kind: "value"; readonly value: unknown } | { readonly kind: "error"; readonly error: Error };

export class SimEffect implements Effect {
  readonly id: number;
  readonly kind: EffectKind;
  readonly text: string;
  readonly sentAtMs: number;
  state: EffectState = "sent";
  readonly #process: SimProcess;
  readonly #run: () => unknown;
  readonly #settled: { resolve(value: unknown): void; reject(error: unknown): void };
  #outcome: Outcome | undefined;

  constructor(
    process: SimProcess,
    what: { readonly id: number; readonly kind: EffectKind; readonly text: string; readonly sentAtMs: number },
    run: () => unknown,
    settled: { resolve(value: unknown): void; reject(error: unknown): void },
  ) {
    this.#process = process;
    this.#run = run;
    this.#settled = settled;
    this.id = what.id;
    this.kind = what.kind;
    this.text = what.text;
    this.sentAtMs = what.sentAtMs;
  }

  get process(): string {
    return this.#process.name;
  }

  get operator(): string {
    return this.#process.operator.name;
  }

  execute(): void {
    if (this.#outcome !== undefined) throw new Error(`Cannot execute ${this.kind} of ${this.process} twice`);
    try {
      this.#outcome = { kind: "value", value: this.#run() };
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      this.#outcome = { kind: "error", error };
    }
    if (this.state === "sent") this.state = "executed";
  }

  answer(): void {
    const outcome = this.#outcome;
    if (outcome === undefined) throw new Error(`Cannot answer ${this.kind} of ${this.process} before it is executed`);
    this.#close();
    this.#process.whenRunning(() => {
      if (outcome.kind === "value") this.#settled.resolve(outcome.value);
      else this.#settled.reject(outcome.error);
    });
  }

  fail(error: Error): void {
    this.#close();
    this.#process.whenRunning(() => this.#settled.reject(error));
  }

  /** The caller gives up when its pass is aborted; what was sent goes its way. */
  abandonOn(signal: AbortSignal): void {
    signal.addEventListener("abort", () => {
      if (this.state === "answered") return;
      this.fail(signal.reason instanceof Error ? signal.reason : new Error("The pass was aborted"));
    });
  }

  #close(): void {
    this.state = "answered";
    this.#process.effects.delete(this.id);
  }
}
