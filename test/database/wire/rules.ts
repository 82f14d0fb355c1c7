// The rules of a fault script: which statements they meet, and how often. Carries out none of their actions.
import type { ArrivedStatement, Failure, Rule, RuleOptions, StatementPattern } from "../faults.ts";
import { deferred, type Gate } from "./waiting.ts";

export type Action =
  | { readonly kind: "fail"; readonly failure: Failure }
  | { readonly kind: "deadlock" }
  | { readonly kind: "delay"; readonly delayMs: number }
  | { readonly kind: "drop"; readonly when: "before" | "after" }
  | { readonly kind: "hold"; readonly gate: Gate; readonly attention: "cancels" | "unanswered" };

export interface RuleSet {
  add(pattern: StatementPattern, action: Action, options: RuleOptions | undefined): Rule;
  /** The action of the oldest rule that meets the statement; it counts as met. */
  take(statement: ArrivedStatement): Action | undefined;
  clear(): void;
}

interface Entry {
  readonly action: Action;
  matches(statement: ArrivedStatement): boolean;
  meet(): void;
}

export function createRules(): RuleSet {
  const entries = new Set<Entry>();
  return {
    add(pattern, action, options = {}) {
      const { promise: reached, resolve } = deferred<undefined>();
      let met = 0;
      const entry: Entry = {
        action,
        matches: (statement) => matchesName(options.applicationName, statement.applicationName) && matchesPattern(pattern, statement),
        meet() {
          met += 1;
          if (met >= (options.times ?? 1)) entries.delete(entry);
          resolve(undefined);
        },
      };
      entries.add(entry);
      return {
        get met() {
          return met;
        },
        reached,
        remove: () => void entries.delete(entry),
      };
    },
    take(statement) {
      for (const entry of entries) {
        if (!entry.matches(statement)) continue;
        entry.meet();
        return entry.action;
      }
      return undefined;
    },
    clear: () => entries.clear(),
  };
}

function matchesPattern(pattern: StatementPattern, statement: ArrivedStatement): boolean {
  // search, not test: a pattern with the g flag must not remember where it stopped.
  return typeof pattern === "function" ? pattern(statement) : statement.text.search(pattern) >= 0;
}

function matchesName(wanted: string | RegExp | undefined, name: string): boolean {
  if (wanted === undefined) return true;
  return typeof wanted === "string" ? wanted === name : name.search(wanted) >= 0;
}
