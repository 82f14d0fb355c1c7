// Label selectors as Kubernetes means them. Pure; whether an empty selector is allowed is the caller's decision.

import type { LabelSelector } from "./model.ts";

type Labels = Readonly<Record<string, string>>;
type Requirement = NonNullable<LabelSelector["matchExpressions"]>[number];

/** An empty selector matches everything; an operator that is not known matches nothing. */
export function matches(selector: LabelSelector, labels: Labels): boolean {
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) if (valueOf(labels, key) !== value) return false;
  return (selector.matchExpressions ?? []).every((requirement) => holds(requirement, labels));
}

export const isEmptySelector = (selector: LabelSelector): boolean =>
  Object.keys(selector.matchLabels ?? {}).length === 0 && (selector.matchExpressions ?? []).length === 0;

function holds({ key, operator, values = [] }: Requirement, labels: Labels): boolean {
  const value = valueOf(labels, key);
  switch (operator) {
    case "In":
      return value !== undefined && values.includes(value);
    case "NotIn":
      return value === undefined || !values.includes(value); // An absent label is not in the set.
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
    default:
      return false;
  }
}

/** A label called `constructor` is no property of Object. */
const valueOf = (labels: Labels, key: string): string | undefined => (Object.hasOwn(labels, key) ? labels[key] : undefined);

export type ParsedSelector =
  { readonly kind: "parsed"; readonly selector: LabelSelector } | { readonly kind: "invalid"; readonly message: string };

/**
 * The text form that a scale subresource carries: `app=shop,tier in (web,api),!canary,gone notin (a),x!=y,exists`. Comparisons by
 * number (`>`, `<`) are valid in Kubernetes' grammar and in no LabelSelector: invalid here.
 */
export function parseSelector(text: string): ParsedSelector {
  const matchExpressions: Requirement[] = [];
  for (const part of splitOutsideParentheses(text)) {
    const requirement = parseRequirement(part);
    if (requirement === undefined) return { kind: "invalid", message: `cannot read "${part}" of the label selector "${text}"` };
    matchExpressions.push(requirement);
  }
  return { kind: "parsed", selector: { matchExpressions } };
}

function splitOutsideParentheses(text: string): string[] {
  if (text.trim() === "") return [];
  const parts: string[] = [];
  let depth = 0;
  let from = 0;
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === "(") depth += 1;
    if (text[at] === ")") depth -= 1;
    if (text[at] !== "," || depth > 0) continue;
    parts.push(text.slice(from, at).trim());
    from = at + 1;
  }
  return [...parts, text.slice(from).trim()];
}

const keyPattern = "([A-Za-z0-9](?:[-A-Za-z0-9_./]*[A-Za-z0-9])?)";
const valuePattern = "((?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?)";
const setForm = new RegExp(`^${keyPattern}\\s+(in|notin)\\s*\\(([^()]*)\\)$`);
const equalForm = new RegExp(`^${keyPattern}\\s*(==|=|!=)\\s*${valuePattern}$`);
const existsForm = new RegExp(`^(!?)\\s*${keyPattern}$`);
const wholeValue = new RegExp(`^${valuePattern}$`);

function parseRequirement(part: string): Requirement | undefined {
  const set = setForm.exec(part);
  if (set !== null) {
    const values = (set[3] ?? "").split(",").map((value) => value.trim());
    if (!values.every((value) => wholeValue.test(value))) return undefined;
    return { key: set[1] ?? "", operator: set[2] === "in" ? "In" : "NotIn", values };
  }
  const equal = equalForm.exec(part);
  if (equal !== null) return { key: equal[1] ?? "", operator: equal[2] === "!=" ? "NotIn" : "In", values: [equal[3] ?? ""] };
  const exists = existsForm.exec(part);
  return exists === null ? undefined : { key: exists[2] ?? "", operator: exists[1] === "!" ? "DoesNotExist" : "Exists" };
}
