// What a run knows of each pod's process, from the pod objects alone and not by the operator's code. A process lives from its pod's binding
// until the kubelet has set a terminal phase. Where the object goes before that (deletion by force), nobody saw the process end: it may live
// for its grace period, and for ever where its kubelet was cut off.

/** What is read of a pod. */
export interface PodObject {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly deletionTimestamp?: string;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly spec: { readonly nodeName?: string; readonly terminationGracePeriodSeconds?: number };
  readonly status: {
    readonly phase?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly reason?: string }[];
  };
}

/**
 * Moments are milliseconds of performance.now(), those at which the run learnt it: never earlier than it was so. But for `goneAtMs` of a pod whose
 * deletion by force the run asked for: that is when it began to ask, never later than it was so, however late a busy machine hears of it.
 */
export interface PodLife {
  readonly name: string;
  readonly uid: string;
  readonly graceMs: number;
  readonly isBound: boolean;
  /** Its kubelet does nothing any more (kubelet.test/behave: node-lost). */
  readonly isCutOff: boolean;
  readonly endedAtMs: number | undefined;
  /** When the run began to ask for its deletion by force. */
  readonly sentAwayAtMs: number | undefined;
  readonly goneAtMs: number | undefined;
}

export const behaveAnnotation = "kubelet.test/behave";
const defaultGraceSeconds = 30;

export const behaviourOf = ({ metadata }: PodObject): string | undefined => metadata.annotations?.[behaveAnnotation];
export const isTerminating = ({ metadata }: PodObject): boolean => metadata.deletionTimestamp !== undefined;
export const hasTerminalPhase = ({ status }: PodObject): boolean => status.phase === "Succeeded" || status.phase === "Failed";
/** Bound, not ended, not on its way: a pod that must have a row. */
export const needsRow = (pod: PodObject): boolean => pod.spec.nodeName !== undefined && !hasTerminalPhase(pod) && !isTerminating(pod);
/** The operator says that the pod's row is committed. */
export const isRegistered = ({ status }: PodObject): boolean =>
  status.conditions?.some(
    ({ type, status: value, reason }) => type === "webfarm.dev/registered" && value === "True" && reason === "Registered",
  ) ?? false;
export const isReady = ({ status }: PodObject): boolean =>
  status.conditions?.some(({ type, status: value }) => type === "Ready" && value === "True") ?? false;

export function seenAt(life: PodLife | undefined, pod: PodObject, nowMs: number): PodLife {
  const hasEnded = hasTerminalPhase(pod);
  return {
    name: pod.metadata.name,
    uid: pod.metadata.uid,
    graceMs: (pod.spec.terminationGracePeriodSeconds ?? defaultGraceSeconds) * 1000,
    isBound: pod.spec.nodeName !== undefined,
    isCutOff: behaviourOf(pod) === "node-lost",
    endedAtMs: life?.endedAtMs ?? (hasEnded ? nowMs : undefined),
    sentAwayAtMs: life?.sentAwayAtMs,
    goneAtMs: life?.goneAtMs,
  };
}

export const sentAway = (life: PodLife, nowMs: number): PodLife => ({ ...life, sentAwayAtMs: life.sentAwayAtMs ?? nowMs });

export const goneBy = (life: PodLife, nowMs: number): PodLife => ({ ...life, goneAtMs: life.goneAtMs ?? life.sentAwayAtMs ?? nowMs });
