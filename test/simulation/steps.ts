// The words of scenario files, of random schedules and of shrunk failures: each step is a value with one line of text, and parsing and
// printing are exact inverses, because both follow the same form. What a step does is elsewhere (stepsOf*.ts).

/** Slots in braces. `count` and `nth` are whole numbers, `duration` is milliseconds (written 500ms, 90s, 3m, 2h), all others are words. */
export const forms = {
  namespaceMade: "namespace {name} is made",
  namespaceDeleted: "namespace {name} is deleted",
  secretMade: "secret {secret} names database {database}",
  secretDeleted: "secret {secret} is deleted",

  deploymentMade: "deployment {name} wants {count}",
  deploymentScaled: "deployment {name} scales to {count}",
  deploymentRolledOut: "deployment {name} rolls out",
  deploymentDeleted: "deployment {name} is deleted",
  deploymentSelects: "deployment {name} selects {label}",
  deploymentMakesPod: "deployment {name} makes a pod",
  setMade: "statefulset {name} wants {count}",
  setScaled: "statefulset {name} scales to {count}",
  setDeleted: "statefulset {name} is deleted",
  setMakesPod: "statefulset {name} makes pod {nth}",
  podsGrace: "new pods of {name} have {duration} of grace",
  podsWithoutGate: "new pods of {name} have no gate",
  podsWithGate: "new pods of {name} have a gate",

  podBound: "pod {pod} is bound to {node}",
  podStarts: "pod {pod} starts on {node}",
  podReady: "pod {pod} is ready",
  podStops: "pod {pod} takes {duration} to stop",
  podDeleted: "pod {pod} is deleted",
  podForceDeleted: "pod {pod} is force-deleted",
  podForceDeletedAlive: "pod {pod} is force-deleted and its process lives on",
  podDeaf: "pod {pod} ignores its end",
  processEnds: "pod {pod}'s process ends",
  oldProcessEnds: "old pod {pod}'s process ends",
  podEvicted: "pod {pod} is evicted",
  podCompletes: "pod {pod} completes",
  containerCrashes: "pod {pod}'s container crashes",
  containerRestarts: "pod {pod}'s container starts again",
  podObjectRemoved: "pod {pod}'s object is removed",
  podRelabelled: "pod {pod} is labelled {label}",
  controllersRest: "controllers rest",
  controllersWork: "controllers work",
  nodeCut: "node {node} is cut off",
  nodeBack: "node {node} is back",
  nodeTainted: "node {node} is given up by taint",
  nodeCollected: "node {node} is given up and its pods collected",

  farmMade: "webfarm {farm} with policy {policy}",
  farmMadeFor: "webfarm {farm} with policy {policy} for owner {owner}",
  farmDeleted: "webfarm {farm} is deleted",
  farmPolicy: "webfarm {farm} sets policy {policy}",
  farmDeletionPolicy: "webfarm {farm} sets deletion policy {policy}",
  farmOwner: "webfarm {farm} has owner {owner}",
  farmFormerOwner: "webfarm {farm} had owner {owner}",
  farmSecret: "webfarm {farm} uses secret {secret}",
  farmFailOpen: "webfarm {farm} fails open after {duration}",
  farmNodeLost: "webfarm {farm} gives nodes up after {duration}",
  farmLimit: "webfarm {farm} allows {count} servers",
  farmUnlimited: "webfarm {farm} allows any number of servers",
  farmSuspended: "webfarm {farm} is suspended",
  farmResumed: "webfarm {farm} is resumed",
  farmNewer: "webfarm {farm} gets a newer field",
  farmOlder: "webfarm {farm} loses its newer field",
  farmDeploymentMember: "webfarm {farm} has member {member} of deployment {name}",
  farmSetMember: "webfarm {farm} has member {member} of statefulset {name}",
  farmLabelMember: "webfarm {farm} has member {member} of pods labelled {label}",
  farmMemberGone: "webfarm {farm} loses member {member}",
  farmApproved: "webfarm {farm} is annotated approve",
  farmSkipCleanup: "webfarm {farm} is annotated skip-cleanup",
  farmForced: "webfarm {farm} is annotated reconcile-at",

  operatorStarts: "operator {operator} starts",
  operatorStops: "operator {operator} stops",
  operatorCrashes: "operator {operator} crashes",
  operatorCrashesBefore: "operator {operator} crashes before its effect {nth}",
  operatorCrashesAfter: "operator {operator} crashes after its effect {nth}",
  operatorPauses: "operator {operator} pauses for {duration}",
  operatorPausesBefore: "operator {operator} pauses for {duration} before its effect {nth}",
  operatorPausesAfter: "operator {operator} pauses for {duration} after its effect {nth}",
  operatorPausesBeforeNext: "operator {operator} pauses for {duration} before its next {target}",
  operatorResumes: "operator {operator} resumes",
  cacheStalls: "cache of {operator} stalls",
  cacheCatchesUp: "cache of {operator} catches up",
  cacheSeesOne: "cache of {operator} sees one change",
  cacheRelists: "cache of {operator} lists anew",
  effectLate: "{operator}'s next {target} executes {duration} late",
  effectLost: "{operator}'s next {target} loses its reply",
  effectNotApplied: "{operator}'s next {target} is not applied",
  effectRefused: "{operator}'s next {target} is refused",
  effectHangs: "{operator}'s next {target} hangs",
  effectMeetsChange: "{operator}'s next {target} meets a change",
  apiSilent: "api is silent for {operator}",
  apiAnswers: "api answers {operator} again",
  apiForbids: "api forbids {target} to {operator}",
  apiAllows: "api allows {target} to {operator}",
  databaseSilent: "database is silent for {operator}",
  databaseAnswers: "database answers {operator} again",

  rowInserted: "a person inserts row {row}",
  rowDeleted: "a person deletes row {row}",
  rowRenamed: "a person renames row {row} to {name}",
  rowDisabled: "a person disables row {row}",
  rowEnabled: "a person enables row {row}",
  rowCopied: "a person copies row {row} as {name}",
  rowBound: "row {row} gets {count} bindings",
  databaseSaved: "database is saved",
  databaseRestored: "database is restored",
  databaseCopied: "database is copied over {database}",
  databaseGone: "database is gone",
  databaseBack: "database is back",
  databasePings: "database has pings",
  databaseMode: "database has mode {mode}",
  etcdSaved: "etcd is saved",
  etcdRestored: "etcd is restored",
  etcdRestoredAhead: "etcd is restored and its versions go on",

  timePasses: "{duration} pass",
} as const;

type Forms = typeof forms;
type SlotsOf<Form extends string> = Form extends `${string}{${infer Slot}}${infer Rest}` ? Slot | SlotsOf<Rest> : never;
type ValueOf<Slot extends string> = Slot extends "count" | "nth" | "duration" ? number : string;

/** Where it happens, unless in cluster `main` and database `main`: `in east: pod shop-a is deleted`, `at staging: database is saved`. */
interface Place {
  readonly cluster?: string;
  readonly database?: string;
}

export type StepKind = keyof Forms;
export type StepOf<Kind extends StepKind> = {
  [K in Kind]: { readonly kind: K } & { readonly [Slot in SlotsOf<Forms[K]>]: ValueOf<Slot> } & {
    readonly at?: Place;
  };
}[Kind];
/** For example `{kind: "podDeleted", pod: "shop-a"}`, `{kind: "timePasses", duration: 3_000}`. */
export type Step = StepOf<StepKind>;

const slot = /\{(\w+)\}/g;
const word = "[^\\s:,']+";

interface Form {
  readonly kind: StepKind;
  readonly pattern: RegExp;
  readonly slots: readonly string[];
}

const compiled: readonly Form[] = (Object.keys(forms) as StepKind[]).map((kind) => {
  const form = forms[kind];
  const slots = [...form.matchAll(slot)].map(([, name = ""]) => name);
  return { kind, slots, pattern: new RegExp(`^${form.replaceAll(slot, `(${word})`)}$`) };
});

export const printStep = (step: Step): string => {
  const { at } = step;
  const values = step as unknown as Readonly<Record<string, string | number>>;
  const text = forms[step.kind].replaceAll(slot, (_, name: string) => print(name, values[name] ?? ""));
  const prefix = [
    ...(at?.cluster === undefined ? [] : [`in ${at.cluster}: `]),
    ...(at?.database === undefined ? [] : [`at ${at.database}: `]),
  ];
  return prefix.join("") + text;
};

/** Throws where no form fits. */
export function parseStep(line: string): Step {
  const placed = /^(?:in ([^\s:]+): )?(?:at ([^\s:]+): )?(.*)$/.exec(line.trim());
  const [, cluster, database, text = ""] = placed ?? [];
  const at = { ...(cluster !== undefined && { cluster }), ...(database !== undefined && { database }) };
  for (const { kind, pattern, slots } of compiled) {
    const found = pattern.exec(text);
    if (found === null) continue;
    const values = slots.map((name, index) => [name, parse(name, found[index + 1] ?? "", line)] as const);
    return { kind, ...Object.fromEntries(values), ...(Object.keys(at).length > 0 && { at }) } as unknown as Step;
  }
  throw new Error(`Cannot read the step "${line}": no form fits (see test/simulation/steps.ts)`);
}

const print = (name: string, value: string | number): string => (name === "duration" ? printDuration(Number(value)) : String(value));

function parse(name: string, text: string, line: string): string | number {
  if (name === "duration") return parseDuration(text);
  if (name !== "count" && name !== "nth") return text;
  if (!/^\d+$/.test(text)) throw new Error(`Cannot read the step "${line}": ${text} is no whole number`);
  return Number(text);
}

const units = [
  { unit: "h", ms: 3_600_000 },
  { unit: "m", ms: 60_000 },
  { unit: "s", ms: 1_000 },
  { unit: "ms", ms: 1 },
] as const;

/** In the largest unit that has no rest. */
export function printDuration(ms: number): string {
  const { unit, ms: size } = units.find((one) => ms >= one.ms && ms % one.ms === 0) ?? { unit: "ms", ms: 1 };
  return `${ms / size}${unit}`;
}

export function parseDuration(text: string): number {
  const [, count, unit] = /^(\d+)(ms|s|m|h)$/.exec(text) ?? [];
  const size = units.find((one) => one.unit === unit)?.ms;
  if (size === undefined) throw new Error(`Cannot read the duration "${text}": write 500ms, 90s, 3m or 2h`);
  return Number(count) * size;
}
