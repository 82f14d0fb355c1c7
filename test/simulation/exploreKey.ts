// The key of a state: equal for states from which the same can happen. Everything that decides the future is in it: the truth, of each
// operator its process, what its watches have on their way and whether it is paused or stalled, late statements, the deeds and faults that are
// left. Moments are ages, versions and digests only which of them are the same, operators are without their names.

import { hash } from "node:crypto";
import type { AskedEffect } from "./exploreEffects.ts";
import type { OperatorState, State } from "./exploreState.ts";
import { agesOf, shapeOf } from "./fingerprint.ts";
import type { Shape } from "./fingerprint.ts";
import type { WatchEvent } from "./objects.ts";

const eventShapes = new WeakMap<WatchEvent, Shape>();
const effectShapes = new WeakMap<AskedEffect, Shape>();

function remembered<K extends object>(known: WeakMap<K, Shape>, one: K, shape: () => Shape): Shape {
  const before = known.get(one);
  if (before !== undefined) return before;
  const made = shape();
  known.set(one, made);
  return made;
}

interface Part {
  readonly text: string;
  readonly names: readonly string[];
}

export function keyOf(state: State): string {
  const { nowMs } = state;
  const late = state.late.map(({ effect }) => part([lateShape(effect)], "", nowMs));
  const parts = [
    part([state.truth.shape], "", nowMs),
    ...state.operators.map((operator) => operatorPart(operator, nowMs)).toSorted(byText),
    ...late.toSorted(byText),
  ];
  const numbers = new Map<string, number>();
  const names = parts.flatMap((one) => one.names).map((name) => numbers.get(name) ?? (numbers.set(name, numbers.size), numbers.size - 1));
  const text = [
    ...parts.map((one) => one.text),
    names.join(),
    state.deeds.join(),
    Object.values(state.faults).join(),
    state.faultsLeft,
  ].join("|");
  return hash("sha1", text, "base64url").slice(0, 22);
}

function operatorPart({ local, farms, pods, isPaused, isStalled }: OperatorState, nowMs: number): Part {
  const shapes = [farms, pods].flatMap(({ events }) => events.map((event) => remembered(eventShapes, event, () => shapeOf(event))));
  const flags = [local === undefined, farms.needsList, pods.needsList, isPaused, isStalled, farms.events.length].map(Number).join();
  return part(local === undefined ? shapes : [local.shape, ...shapes], flags, nowMs);
}

const lateShape = (effect: AskedEffect): Shape =>
  remembered(effectShapes, effect, () => shapeOf({ call: effect.call, sentAtMs: effect.sentAtMs }));

function part(shapes: readonly Shape[], flags: string, nowMs: number): Part {
  const text = shapes.map((shape) => `${shape.text}:${agesOf(shape, nowMs).join()}`).join(";");
  return { text: `${flags} ${text}`, names: shapes.flatMap(({ names }) => names) };
}

const byText = (a: Part, b: Part): number => (a.text < b.text ? -1 : a.text > b.text ? 1 : 0);
