// What a held statement waits for: a gate that a test opens, and which of the client's doings end the wait. Runs nothing itself.

/** Why the signal of a running request was aborted (`signal.reason`). */
export type AbortCause = "attention" | "disconnected";

export type Outcome = "go" | "cancelled" | "abandoned";

export interface Gate {
  readonly opened: Promise<Outcome>;
  /** Resolves when the gate is open and all that passed it has ended. */
  readonly finished: Promise<void>;
  release(): void;
  abandon(): void;
  /** Counts what `finished` waits for. */
  pass<T>(run: () => Promise<T>): Promise<T>;
}

export function openGate(): Gate {
  const { promise: opened, resolve } = deferred<Outcome>();
  const { promise: finished, resolve: finish } = deferred<undefined>();
  let isOpen = false;
  let inside = 0;
  const open = (outcome: Outcome) => {
    isOpen = true;
    resolve(outcome);
    if (inside === 0) finish(undefined);
  };
  return {
    opened,
    finished,
    release: () => open("go"),
    abandon: () => open("abandoned"),
    async pass(run) {
      inside += 1;
      try {
        return await run();
      } finally {
        inside -= 1;
        if (isOpen && inside === 0) finish(undefined);
      }
    },
  };
}

/** The client's attention ends the wait; its disappearance does not. */
export async function waitUnlessAttention(opened: Promise<Outcome>, signal: AbortSignal): Promise<Outcome> {
  const attention = attentionOnly(signal);
  if (attention.aborted) return "cancelled";
  const { promise: cancelled, resolve } = deferred<Outcome>();
  const cancel = () => resolve("cancelled");
  attention.addEventListener("abort", cancel, { once: true });
  const outcome = await Promise.race([opened, cancelled]);
  attention.removeEventListener("abort", cancel);
  return outcome;
}

/** Aborted when the client asks for it, not when it is gone. */
export function attentionOnly(signal: AbortSignal): AbortSignal {
  const controller = new AbortController();
  const follow = () => {
    if ((signal.reason as AbortCause) === "attention") controller.abort(signal.reason);
  };
  if (signal.aborted) follow();
  else signal.addEventListener("abort", follow, { once: true });
  return controller.signal;
}

export function withoutAbort(): AbortSignal {
  return new AbortController().signal;
}

export interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: Error) => void;
}

export function deferred<T>(): Deferred<T> {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<T>((onValue, onError) => {
    resolve = onValue;
    reject = onError;
  });
  return { promise, resolve, reject };
}
