// Dates and times as ticks of 100 ns since 0001-01-01: rounding, reading, writing, adding. It never asks a clock.
import { at, sqlErrors } from "./errors.ts";

const perSecond = 10_000_000n;
const perDay = 864_000_000_000n;
const epoch = 621_355_968_000_000_000n; // 1970-01-01
const firstDatetime = ticksOfDate(1753, 1, 1);
const end = ticksOfDate(10000, 1, 1);

export function ticksOf(date: Date): bigint {
  return epoch + BigInt(date.getTime()) * 10_000n;
}
const dateOf = (ticks: bigint): Date => new Date(Number((ticks - epoch) / 10_000n));

function ticksOfDate(year: number, month: number, day: number): bigint {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  return ticksOf(date);
}

/** datetime counts 1/300 of a second: .000, .003 and .007, and .999 is the next second. */
export function roundToDatetime(ticks: bigint): bigint {
  const day = ticks / perDay;
  const units = ((ticks % perDay) * 300n + perSecond / 2n) / perSecond;
  const rounded = day * perDay + (units * perSecond + 150n) / 300n;
  if (rounded < firstDatetime || rounded >= end) throw sqlErrors.dateRange();
  return rounded;
}

export function roundToScale(ticks: bigint, scale: number): bigint {
  const unit = 10n ** BigInt(7 - scale);
  const rounded = ((ticks + unit / 2n) / unit) * unit;
  return rounded >= end ? rounded - unit : rounded;
}

const shapes =
  /^\s*(?:(\d{4})-(\d{1,2})-(\d{1,2})|(\d{4})(\d{2})(\d{2}))?(?:(?:T|\s+|^\s*)(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,7}))?)?)?(Z)?\s*$/;

/** ISO text to ticks; `digits` is how many digits of a second the type reads (3 for datetime). */
export function parseMoment(text: string, digits: number): bigint {
  if (text.trim() === "") return ticksOfDate(1900, 1, 1);
  const match = shapes.exec(text);
  if (match === null) throw sqlErrors.dateConversion();
  const number = (...groups: readonly number[]): number =>
    Number(groups.map((group) => match[group]).find((part) => part !== undefined) ?? "0");
  const fraction = match[10] ?? "";
  const hasDate = match[1] !== undefined || match[4] !== undefined;
  const [year, month, day] = hasDate ? [number(1, 4), number(2, 5), number(3, 6)] : [1900, 1, 1];
  const [hour, minute, second] = [number(7), number(8), number(9)];
  const ofDay = ticksOfDate(year, month, day);
  const back = dateOf(ofDay);
  const exists = year >= 1 && back.getUTCMonth() + 1 === month && back.getUTCDate() === day && hour < 24 && minute < 60 && second < 60;
  if (fraction.length > digits) throw sqlErrors.dateConversion();
  if (!exists) throw digits === 3 ? sqlErrors.dateRange() : sqlErrors.dateConversion();
  return ofDay + BigInt((hour * 60 + minute) * 60 + second) * perSecond + BigInt(fraction.padEnd(7, "0"));
}

/** ISO 8601, what styles 120, 121 and 126 give. */
export function formatMoment(ticks: bigint, separator: " " | "T", digits: number): string {
  const date = dateOf(ticks);
  const day = date.toISOString().slice(0, 10);
  const unit = 10n ** BigInt(7 - digits);
  const fraction =
    digits === 0 ? "" : `.${String((((ticks % perSecond) + unit / 2n) / unit) % 10n ** BigInt(digits)).padStart(digits, "0")}`;
  return `${day}${separator}${date.toISOString().slice(11, 19)}${fraction}`;
}

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** What a datetime without a style becomes: Sep 17 2013 12:18PM. */
export function formatPlain(ticks: bigint): string {
  const date = dateOf(ticks);
  const hour = date.getUTCHours();
  const time = `${String(hour % 12 === 0 ? 12 : hour % 12).padStart(2)}:${String(date.getUTCMinutes()).padStart(2, "0")}${hour < 12 ? "AM" : "PM"}`;
  return `${at(months, date.getUTCMonth())} ${String(date.getUTCDate()).padStart(2)} ${date.getUTCFullYear()} ${time}`;
}

const lengths: Readonly<Record<string, bigint>> = {
  week: 7n * perDay,
  wk: 7n * perDay,
  ww: 7n * perDay,
  day: perDay,
  dd: perDay,
  d: perDay,
  hour: 3600n * perSecond,
  hh: 3600n * perSecond,
  minute: 60n * perSecond,
  mi: 60n * perSecond,
  n: 60n * perSecond,
  second: perSecond,
  ss: perSecond,
  s: perSecond,
  millisecond: 10_000n,
  ms: 10_000n,
  microsecond: 10n,
  mcs: 10n,
};
const monthsIn: Readonly<Record<string, number>> = { year: 12, yy: 12, yyyy: 12, quarter: 3, qq: 3, q: 3, month: 1, mm: 1, m: 1 };

export const isDatePart = (part: string): boolean => part in lengths || part in monthsIn;

export function addToMoment(part: string, amount: number, ticks: bigint): bigint {
  const unit = lengths[part];
  const sum = unit === undefined ? addMonths(ticks, amount * (monthsIn[part] ?? 0)) : ticks + unit * BigInt(amount);
  if (sum < 0n || sum >= end) throw sqlErrors.dateOverflow();
  return sum;
}

function addMonths(ticks: bigint, count: number): bigint {
  const date = dateOf(ticks);
  const total = date.getUTCFullYear() * 12 + date.getUTCMonth() + count;
  const [year, month] = [Math.floor(total / 12), total % 12];
  const last = new Date(Date.UTC(year, month + 1, 0)).getUTCDate();
  return ticksOfDate(year, month + 1, Math.min(date.getUTCDate(), last)) + (ticks % perDay);
}

/** Boundaries crossed, not time passed. */
export function boundariesBetween(part: string, from: bigint, to: bigint): number {
  const unit = lengths[part];
  const count = unit === undefined ? monthCount(part, to) - monthCount(part, from) : Number(to / unit - from / unit);
  if (!Number.isSafeInteger(count) || Math.abs(count) > 2147483647) {
    throw sqlErrors.overflow("int");
  }
  return count;
}

function monthCount(part: string, ticks: bigint): number {
  const date = dateOf(ticks);
  return Math.floor((date.getUTCFullYear() * 12 + date.getUTCMonth()) / (monthsIn[part] ?? 1));
}
