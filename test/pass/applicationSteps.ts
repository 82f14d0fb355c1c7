// What may happen to a farm whose application registers itself, step by step, and any order of it: pods and their processes, the operator, its
// calls. It says nothing of what comes of it (applicationPlay.ts).

import fc from "fast-check";

/**
 * How the pods of a slot are called. `new`: as a Deployment names them, no name comes back. `ordinal`: a StatefulSet's, one name a slot.
 * `same`: pods that somebody makes anew under one name a slot. `hostname`: no pod's name comes back, but one host name a slot is the server's.
 */
export type Naming = "new" | "ordinal" | "same" | "hostname";

export interface PlayOptions {
  readonly naming: Naming;
  readonly hasPings: boolean;
}

/** Which of the pods in question, where a slot has several. */
export interface Choice {
  readonly slot: number;
  readonly which: number;
}

export type Leaving = "terminate" | "end" | "fail" | "collect";

export type Step =
  | (Choice & { readonly do: "start" | "run" | "register" | Leaving })
  | (Choice & { readonly do: "vanish"; readonly livesSeconds: number })
  | { readonly do: "scale"; readonly replicas: number }
  | { readonly do: "wait"; readonly seconds: number }
  /** `freeze`: the process of the operator stops, and sees by a list what is there when it goes on. */
  | { readonly do: "pass" | "restart" | "takeOver" | "emptyStatus" | "freeze" | "thaw" }
  | {
      readonly do: "break";
      readonly call: "patchStatus" | "read" | "remove" | "livePod" | "livePods";
      readonly when: "before" | "after" | "never";
    };

export const slots = 3;
export const graceMs = 30_000;
/** removal.nodeLostSeconds and a little less: a process without pings that lives longer is the promise's own exception. */
const longestSilentSeconds = 290;

const slot = fc.nat({ max: slots - 1 });
const which = fc.nat({ max: 1 });

export function steps({ naming, hasPings }: PlayOptions): fc.Arbitrary<readonly Step[]> {
  const livesSeconds = fc.constantFrom(graceMs / 1000, longestSilentSeconds, ...(hasPings ? [5_000] : []));
  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constantFrom("start", "run", "run", "register", "terminate", "end", "end", "fail", "collect"),
        ...{ slot, which },
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("vanish" as const), slot, which, livesSeconds }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant("wait" as const), seconds: fc.constantFrom(1, 5, 29, 45, 400) }) },
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constantFrom("pass", "pass", "restart", "takeOver", "emptyStatus", "freeze", "thaw", "thaw") }),
    },
    ...(naming === "ordinal"
      ? [{ weight: 1, arbitrary: fc.record({ do: fc.constant("scale" as const), replicas: fc.nat({ max: slots }) }) }]
      : []),
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant("break" as const),
        call: fc.constantFrom("patchStatus", "read", "remove", "livePod", "livePods"),
        when: fc.constantFrom("before", "after", "never"),
      }),
    },
  );
  const told = fc.oneof({ weight: 12, arbitrary: step.map((one) => [one]) }, { weight: 1, arbitrary: nameComesBack });
  return fc.array(told, { minLength: 10, maxLength: 40, size: "max" }).map((parts) => parts.flat());
}

/** The next pod of a name uses the row, is not written down and vanishes while its process lives on; or some of this. */
const nameComesBack: fc.Arbitrary<readonly Step[]> = fc
  .tuple(slot, fc.constantFrom("takeOver" as const, "restart" as const, "pass" as const))
  .chain(([at, then]) => {
    const choice = { slot: at, which: 0 };
    const tale: readonly Step[] = [
      { do: "run", ...choice },
      { do: "break", call: "patchStatus", when: "before" },
      { do: "end", ...choice },
      { do: "run", ...choice },
      { do: "vanish", ...choice, livesSeconds: longestSilentSeconds },
      { do: then },
      { do: "break", call: "patchStatus", when: "never" },
      { do: "scale", replicas: 0 },
      { do: "wait", seconds: 45 },
      { do: "scale", replicas: slots },
    ];
    return fc.subarray([...tale], { minLength: tale.length - 2 });
  });
