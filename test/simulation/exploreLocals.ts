// Every state that an operator process was ever found in, each once: what happens next to a process depends on nothing but its state and the
// input, so each input is given to each state once and the answer is kept. States are made again by giving their inputs to a new process.

import { ExploredProcess } from "./exploreProcess.ts";
import type { Constants, Input, Memory } from "./exploreProcess.ts";
import type { AskedEffect } from "./exploreEffects.ts";
import { shapeOf, textNumber } from "./fingerprint.ts";
import type { Shape } from "./fingerprint.ts";

export interface Local {
  readonly id: number;
  readonly isBusy: boolean;
  /** It watches pods. */
  readonly followsPods: boolean;
  readonly asked: readonly AskedEffect[];
  readonly nextDueMs: number;
  /** Idle: of its memory. In a pass: of its memory at the beginning and of all that happened to it since. */
  readonly shape: Shape;
}

interface Known extends Local {
  readonly from: { readonly local: Known; readonly input: Input } | undefined;
  readonly next: Map<string, Known>;
  /** While it is idle. */
  readonly memory: Memory | undefined;
}

/** Processes that are kept as they are, so that they need not be made again. */
const mostKept = 400;

export class Locals {
  readonly #constants: Constants;
  readonly #undecisive: ReadonlySet<string>;
  readonly #idle = new Map<string, Known>();
  readonly #kept = new Map<number, ExploredProcess>();
  readonly #root: Known;
  #count = 0;
  /** Inputs given to real processes, to see what caching saves. */
  fed = 0;

  /** `undecisive`: what is read again with the same answer, so that it does not matter when it was. */
  constructor(constants: Constants, undecisive: ReadonlySet<string>) {
    this.#constants = constants;
    this.#undecisive = undecisive;
    const shape = shapeOf("nothing");
    this.#root = {
      id: this.#count++,
      isBusy: false,
      followsPods: false,
      asked: [],
      nextDueMs: Infinity,
      shape,
      from: undefined,
      next: new Map(),
      memory: undefined,
    };
  }

  get count(): number {
    return this.#count;
  }

  /** A process that has just begun. */
  async start(atMs: number): Promise<Local> {
    return await this.feed(this.#root, { kind: "starts", atMs });
  }

  async feed(local: Local, input: Input): Promise<Local> {
    const from = local as Known;
    const text = inputText(input);
    const known = from.next.get(text);
    if (known !== undefined) return known;
    const process = await this.#processOf(from);
    this.fed += 1;
    await process.feed(input);
    const made = this.#known(process, from, input);
    from.next.set(text, made);
    this.#keep(made.id, process);
    return made;
  }

  #known(process: ExploredProcess, from: Known, input: Input): Known {
    const common = {
      isBusy: process.isBusy,
      followsPods: process.followsPods,
      asked: process.asked,
      nextDueMs: process.nextDueMs,
      from: { local: from, input },
      next: new Map(),
    };
    if (process.isBusy) return { ...common, id: this.#count++, memory: undefined, shape: both(from.shape, shapeOf(input)) };
    const memory = process.memory();
    const text = textOf(memory);
    const before = this.#idle.get(text);
    if (before !== undefined) return before;
    const made = { ...common, id: this.#count++, memory, shape: shapeOf(memory, this.#undecisive) };
    this.#idle.set(text, made);
    return made;
  }

  async #processOf(local: Known): Promise<ExploredProcess> {
    const kept = this.#kept.get(local.id);
    if (kept !== undefined) {
      this.#kept.delete(local.id);
      return kept;
    }
    const inputs: Input[] = [];
    let at = local;
    let process: ExploredProcess | undefined;
    for (; at.from !== undefined; at = at.from.local) {
      process = await this.#revived(at);
      if (process !== undefined) break;
      inputs.push(at.from.input);
    }
    process ??= new ExploredProcess(this.#constants);
    for (const input of inputs.toReversed()) await process.feed(input);
    return process;
  }

  /** A process that has the memory of this state; undefined where it is in a pass, or has what only its own past can bring about. */
  async #revived({ memory, from }: Known): Promise<ExploredProcess | undefined> {
    if (memory === undefined || from === undefined || memory.failures.some((count) => count > 0)) return undefined;
    if (memory.farms.objects.length === 0) return undefined; // it watches no pods, and yet may remember some
    const process = new ExploredProcess(this.#constants);
    await process.revive(memory, from.input.atMs);
    return textOf(process.memory()) === textOf(memory) ? process : undefined;
  }

  #keep(id: number, process: ExploredProcess): void {
    this.#kept.set(id, process);
    if (this.#kept.size <= mostKept) return;
    const [oldest] = this.#kept.keys();
    if (oldest !== undefined) this.#kept.delete(oldest);
  }
}

const both = (a: Shape, b: Shape): Shape => ({
  text: textNumber(`${a.text} ${b.text}`),
  moments: [...a.moments, ...b.moments],
  names: [...a.names, ...b.names],
});

const contents = new WeakMap<object, number>();

/** The same number for the same content. */
function contentOf(one: object): number {
  const known = contents.get(one);
  if (known !== undefined) return known;
  const made = textNumber(textOf(one));
  contents.set(one, made);
  return made;
}

function inputText(input: Input): string {
  const { kind, atMs } = input;
  switch (kind) {
    case "starts":
    case "timers":
    case "breaksOff":
      return `${kind} ${atMs}`;
    case "hears":
      return `${input.stream} ${atMs} ${input.events.map(contentOf).join()}`;
    case "lists":
      return `list ${input.stream} ${atMs} ${input.version} ${contentOf(input.stream === "farms" ? input.farms : input.pods)}`;
    case "answer":
      return `${input.effect} ${atMs} ${contentOf(input.outcome)}`;
  }
}

/** Exact: moments as they are. */
const textOf = (value: unknown): string => JSON.stringify(value, (_, one: unknown) => plain(one));

function plain(value: unknown): unknown {
  if (value instanceof Map) return { map: [...value] };
  if (value instanceof Set) return { set: [...(value as Set<unknown>)] };
  if (value instanceof Error) return { error: value.message };
  if (value === Infinity || value === -Infinity) return String(value);
  return value;
}
