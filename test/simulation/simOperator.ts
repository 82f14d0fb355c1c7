// One operator in the simulated world: a name, its faults, and at most one running process. A start makes a new process with nothing in its
// memory; a crash loses everything but what was sent.

import type { Logger } from "../../operator/controller/logger.ts";
import type { FarmEvent } from "../../operator/pass/ports.ts";
import { noFaults } from "./effects.ts";
import type { Faults, Scheduler } from "./effects.ts";
import { SimProcess } from "./simProcess.ts";
import type { Truth } from "./truth.ts";

export interface SimOperatorOptions {
  readonly truth: Truth;
  readonly name: string;
  /** Of which it is an operator. */
  readonly cluster: string;
  readonly scheduler: () => Scheduler;
  readonly nextEffectId: () => number;
  readonly log: Logger;
  readonly onEvent: (event: FarmEvent, operator: string) => void;
  /** WEBFARM_READ_ONLY */
  readonly readOnly: boolean;
  /** It writes only while it holds the Lease; otherwise always. */
  readonly isElected: boolean;
}

export class SimOperator {
  readonly name: string;
  readonly cluster: string;
  readonly faults: Faults = noFaults();
  process: SimProcess | undefined;
  /** Its watches deliver nothing. */
  isStalled = false;
  readonly #options: SimOperatorOptions;
  #starts = 0;

  constructor(options: SimOperatorOptions) {
    this.#options = options;
    this.name = options.name;
    this.cluster = options.cluster;
  }

  /** Crashes what runs. */
  start(): void {
    this.crash();
    this.#starts += 1;
    this.process = new SimProcess(this, `${this.name}${this.#starts}`, this.#options);
  }

  crash(): void {
    this.process?.die();
    this.process = undefined;
  }

  /** SIGTERM. */
  stop(): void {
    const ending = this.process;
    void ending?.stop().then(() => {
      if (this.process === ending) this.process = undefined;
    });
  }
}
