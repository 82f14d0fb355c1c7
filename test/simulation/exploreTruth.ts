// The truth of a small world as an immutable image, and back: an image is loaded into a fresh world, something is done there, and what came
// of it is a new image, the events that watches carry, and what the checker found. It decides nothing.

import { applyStep } from "./applyStep.ts";
import { Checker } from "./checker.ts";
import type { Violation } from "./checker.ts";
import { whatIsWrong } from "./converged.ts";
import { execute } from "./exploreEffects.ts";
import type { AskedEffect, Call, Outcome } from "./exploreEffects.ts";
import { Inapplicable } from "./inapplicable.ts";
import { shapeOf } from "./fingerprint.ts";
import type { Shape } from "./fingerprint.ts";
import { defaultCluster } from "./names.ts";
import type { FarmChange, FarmObject, NamespaceObject, PodObject, RowObject, SecretObject, WatchEvent, WorkloadObject } from "./objects.ts";
import { printStep } from "./steps.ts";
import type { Step, StepOf } from "./steps.ts";
import type { PodRecord, Truth } from "./truth.ts";
import { World } from "./world.ts";

interface StoreImage {
  readonly namespaces: readonly NamespaceObject[];
  readonly pods: readonly PodObject[];
  readonly farms: readonly FarmObject[];
  readonly workloads: readonly WorkloadObject[];
  readonly secrets: readonly SecretObject[];
  readonly version: number;
}

interface DatabaseImage {
  readonly name: string;
  readonly rows: readonly RowObject[];
  readonly nextID: number;
  readonly isGone: boolean;
}

export interface TruthImage {
  readonly store: StoreImage;
  readonly saved: StoreImage | undefined;
  readonly restoredAtMs: number | undefined;
  readonly cutNodes: readonly string[];
  readonly podsMade: readonly (readonly [string, number])[];
  readonly uids: Readonly<Record<string, number>>;
  readonly records: readonly PodRecord[];
  readonly databases: readonly DatabaseImage[];
  /** What the checker has to know of the past: what was ever said of WebFarms, and the marks that were ever seen. */
  readonly farmChanges: readonly FarmChange[];
  readonly guids: readonly string[];
}

/** The same image is the same node. */
export interface TruthNode {
  readonly id: number;
  readonly image: TruthImage;
  readonly shape: Shape;
}

export interface Change {
  readonly truth: TruthNode;
  readonly events: readonly WatchEvent[];
  /** The store went back in time: every watch ends. */
  readonly isRestored: boolean;
  readonly violations: readonly Violation[];
}

export type Executed = Change & { readonly answer: Outcome };
export type Deed = Exclude<Step, StepOf<"timePasses">>;

const callTexts = new WeakMap<Call, string>();

function callText(call: Call): string {
  const known = callTexts.get(call);
  if (known !== undefined) return known;
  const text = JSON.stringify(call);
  callTexts.set(call, text);
  return text;
}

const emptyStore: StoreImage = { namespaces: [], pods: [], farms: [], workloads: [], secrets: [], version: 1 };
const emptyImage: TruthImage = {
  ...{ store: emptyStore, saved: undefined, restoredAtMs: undefined, cutNodes: [], podsMade: [], uids: {}, records: [] },
  ...{ databases: [], farmChanges: [], guids: [] },
};

export class Truths {
  readonly #nodes = new Map<string, TruthNode>();
  readonly #done = new Map<string, Change | undefined>();
  /** The store may go back in time: then numbers of versions decide something, else only which are the same. */
  readonly #goesBack: boolean;

  constructor({ goesBack }: { readonly goesBack: boolean }) {
    this.#goesBack = goesBack;
  }

  /** What a list says of its version. */
  versionOf({ image }: TruthNode): number {
    return this.#goesBack ? image.store.version : 0;
  }

  get count(): number {
    return this.#nodes.size;
  }

  empty(): TruthNode {
    return this.#node(emptyImage);
  }

  /** Throws what `act` throws (Inapplicable); then nothing has changed. */
  change<Answer>(from: TruthNode, nowMs: number, act: (world: World) => Answer): Change & { readonly answer: Answer } {
    const loaded = load(from.image, nowMs);
    const answer = act(loaded.world);
    const image = imageOf(loaded, from.image, this.#goesBack);
    const { isRestored, checker } = loaded;
    const events = this.#goesBack ? loaded.events : loaded.events.map((event) => ({ ...event, version: 0 }));
    return { answer, truth: this.#node(image), events, isRestored, violations: checker.take() };
  }

  /** Undefined: it cannot be done here. */
  step(from: TruthNode, nowMs: number, step: Deed): Change | undefined {
    return this.#once(`${from.id} ${nowMs} ${printStep(step)}`, () => this.#step(from, nowMs, step));
  }

  #step(from: TruthNode, nowMs: number, step: Deed): Change | undefined {
    try {
      const change = this.change(from, nowMs, (world) => applyStep(world, step));
      if (step.kind !== "etcdSaved") return change;
      return { ...change, truth: this.#node({ ...change.truth.image, saved: change.truth.image.store }) };
    } catch (error) {
      if (error instanceof Inapplicable) return undefined;
      throw error;
    }
  }

  /** What an effect brings about, and what its caller would hear. */
  execute(from: TruthNode, nowMs: number, operator: string, effect: AskedEffect): Executed {
    const text = `${from.id} ${nowMs} ${operator} ${effect.sentAtMs} ${callText(effect.call)}`;
    return this.#once(text, () => this.change(from, nowMs, ({ truth }) => execute(truth, operator, effect)));
  }

  #once<Result extends Change | undefined>(text: string, act: () => Result): Result {
    if (this.#done.has(text)) return this.#done.get(text) as Result;
    const result = act();
    this.#done.set(text, result);
    return result;
  }

  whatIsWrong({ image }: TruthNode, nowMs: number): readonly string[] {
    return whatIsWrong(load(image, nowMs).world.truth);
  }

  #node(image: TruthImage): TruthNode {
    const text = JSON.stringify(image);
    const known = this.#nodes.get(text);
    if (known !== undefined) return known;
    const node = { id: this.#nodes.size, image, shape: shapeOf(decisive(image, this.#goesBack)) };
    this.#nodes.set(text, node);
    return node;
  }
}

/** Without what no future depends on: where the store never goes back, its version is only where the next ones come from. */
function decisive({ store, uids: _uids, farmChanges, ...rest }: TruthImage, goesBack: boolean): unknown {
  const { version, ...objects } = store;
  // Of what WebFarms were told the checker asks only whether it ever was so.
  const told = farmChanges.map(
    ({ after }) => after && { spec: after.spec, isGoing: after.deletionAtMs !== undefined, plan: after.status["plan"] },
  );
  return { ...rest, store: goesBack ? { ...objects, version } : objects, told };
}

interface Loaded {
  readonly world: World;
  readonly checker: Checker;
  readonly events: WatchEvent[];
  readonly farmChanges: FarmChange[];
  readonly guids: Set<string>;
  isRestored: boolean;
}

function load(image: TruthImage, nowMs: number): Loaded {
  const world = new World({ isAutomatic: false, deliversEvents: false });
  const { truth } = world;
  truth.nowMs = nowMs;
  for (const [kind, count] of Object.entries(image.uids)) for (let made = 0; made < count; made += 1) truth.newUid(kind);
  const checker = new Checker(truth);
  const cluster = truth.cluster(defaultCluster);
  const { api } = cluster;
  if (image.saved !== undefined) {
    fill(truth, image.saved);
    api.save();
  }
  fill(truth, image.store);
  cluster.restoredAtMs = image.restoredAtMs;
  for (const node of image.cutNodes) cluster.cutNodes.add(node);
  for (const [workload, count] of image.podsMade) cluster.made.set(workload, count);
  for (const record of image.records) truth.records.set(record.uid, { ...record });
  for (const one of image.databases) {
    const database = truth.database(one.name);
    for (let id = 1; id < one.nextID; id += 1) database.skipID();
    for (const row of one.rows) database.rows.set(row.serverID, row);
    database.isGone = one.isGone;
  }
  const loaded: Loaded = {
    world,
    checker,
    events: [],
    farmChanges: [...image.farmChanges],
    guids: new Set(image.guids),
    isRestored: false,
  };
  remind(loaded, image);
  api.watchers.add({
    onEvent: (event) => loaded.events.push(event),
    onRestore: () => {
      loaded.isRestored = true;
      loaded.events.length = 0;
    },
  });
  return loaded;
}

function fill(truth: Truth, store: StoreImage): void {
  const { api } = truth.cluster(defaultCluster);
  for (const map of [api.namespaces, api.pods, api.farms, api.workloads, api.secrets]) map.clear();
  for (const one of store.namespaces) api.namespaces.set(one.name, one);
  for (const one of store.pods) api.pods.set(`${one.namespace}/${one.name}`, one);
  for (const one of store.farms) api.farms.set(`${one.namespace}/${one.name}`, one);
  for (const one of store.workloads) api.workloads.set(`${one.namespace}/${one.kind}/${one.name}`, one);
  for (const one of store.secrets) api.secrets.set(`${one.namespace}/${one.name}`, one);
  api.version = store.version;
}

/** The checker is told the past again, then listened to. */
function remind({ world, checker, farmChanges, guids }: Loaded, image: TruthImage): void {
  const { truth } = world;
  const judge = truth.onCommit;
  for (const change of image.farmChanges) judge.farm(change);
  for (const guid of image.guids) {
    const after = { serverID: 0, name: "", guid, enabled: true };
    judge.row({ atMs: 0, database: "", after, by: { kind: "person" } });
  }
  checker.take(); // what was wrong then was told then
  truth.onCommit = {
    ...judge,
    farm: (change) => {
      if (isNews(farmChanges.at(-1), change)) farmChanges.push(change);
      judge.farm(change);
    },
    row: (change) => {
      if (typeof change.after?.guid === "string") guids.add(change.after.guid);
      judge.row(change);
    },
  };
}

/** Whether it says something of which the checker keeps account. */
function isNews(last: FarmChange | undefined, { after }: FarmChange): boolean {
  const before = last?.after;
  if (before === undefined || after === undefined) return true;
  const aspects = ({ spec, annotations, finalizers, deletionAtMs, status: { plan } }: FarmObject): string =>
    JSON.stringify([spec, annotations, finalizers, deletionAtMs, plan]);
  return aspects(before) !== aspects(after);
}

function imageOf({ world, farmChanges, guids, isRestored }: Loaded, before: TruthImage, goesBack: boolean): TruthImage {
  const { truth } = world;
  const { api, cutNodes, restoredAtMs, made } = truth.cluster(defaultCluster);
  const farms = [...api.farms.values()];
  return {
    store: {
      ...{ namespaces: [...api.namespaces.values()], pods: [...api.pods.values()], farms },
      ...{ workloads: [...api.workloads.values()], secrets: [...api.secrets.values()] },
      version: goesBack ? api.version : Math.max(1, before.store.version, ...farms.map(({ resourceVersion }) => Number(resourceVersion))),
    },
    saved: before.saved,
    restoredAtMs: isRestored ? truth.nowMs : restoredAtMs,
    cutNodes: [...cutNodes],
    podsMade: [...made],
    uids: uidsOf(truth, before),
    records: [...truth.records.values()].map((record) => ({ ...record })),
    databases: [...truth.databases.values()].map((database) => databaseImage(truth, database.name, before)),
    farmChanges,
    guids: [...guids].toSorted(),
  };
}

function databaseImage(truth: Truth, name: string, before: TruthImage): DatabaseImage {
  const { rows, isGone } = truth.database(name);
  const nextID = before.databases.find((one) => one.name === name)?.nextID ?? 1;
  return { name, rows: [...rows.values()], nextID: Math.max(nextID, ...[...rows.keys()].map((id) => id + 1)), isGone };
}

/** How many UIDs of each kind were ever given. */
function uidsOf(truth: Truth, { uids }: TruthImage): Readonly<Record<string, number>> {
  const { api } = truth.cluster(defaultCluster);
  const present = [
    ...truth.records.keys(),
    ...[api.namespaces, api.farms, api.workloads].flatMap((map) => [...map.values()].map(({ uid }) => uid)),
  ];
  const most = new Map(Object.entries(uids));
  for (const uid of present) {
    const [kind = "", count = "0"] = uid.split("-");
    most.set(kind, Math.max(most.get(kind) ?? 0, Number(count)));
  }
  return Object.fromEntries(most);
}
