// From a member's templates and a pod to the server's name and URL. A name that breaks the product's rules is refused with the rule,
// never mended: a name that the application does not use would be a row that nobody answers to.

import type { Pod, ServerName } from "./model.ts";

export type Rendered<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly message: string };

const refused = (message: string): { readonly ok: false; readonly message: string } => ({ ok: false, message });

const hostname = (pod: Pod): string | undefined => (pod.hostNetwork ? undefined : (pod.hostname ?? pod.name));
const machineName = (pod: Pod): string | undefined => {
  const name = hostname(pod);
  return pod.os === "windows" ? name?.toUpperCase().slice(0, 15) : name;
};

const variables: Readonly<Record<string, { readonly value: (pod: Pod) => string | undefined; readonly absent: string }>> = {
  POD_NAME: { value: (pod) => pod.name, absent: "" },
  POD_NAMESPACE: { value: (pod) => pod.namespace, absent: "" },
  POD_HOSTNAME: { value: hostname, absent: "a pod with hostNetwork has the node's host name; use $(POD_NAME)" },
  MACHINE_NAME: { value: machineName, absent: "a pod with hostNetwork has the node's machine name; use $(POD_NAME)" },
  POD_ORDINAL: {
    value: (pod) => /-(\d+)$/.exec(pod.name)?.[1],
    absent: "the pod's name does not end in a dash and digits, as a StatefulSet's do",
  },
};

function fill(template: string, pod: Pod): Rendered<string> {
  if (template === "$(POD_NAME)") return { ok: true, value: pod.name }; // the default, asked for each pod in each pass
  let problem: string | undefined;
  const value = template.replace(/\$\(([A-Z_]+)\)/g, (_, variable: string) => {
    const known = variables[variable];
    const text = known?.value(pod);
    if (text === undefined) problem ??= `$(${variable}) has no value for pod ${pod.name}: ${known?.absent ?? "there is no such variable"}`;
    return text ?? "";
  });
  return problem === undefined ? { ok: true, value } : refused(problem);
}

/** Why a text is no server name; undefined when it is one. */
export function nameProblem(name: string): string | undefined {
  if (name.length === 0 || name.length > 100) return `a server name has 1 to 100 characters, "${name.slice(0, 120)}" has ${name.length}`;
  if (!/^[A-Za-z0-9_.-]+$/.test(name)) return `"${name}" has a character that is no ASCII letter, digit, "_", "-" or "."`;
  if (name.startsWith(".") || name.endsWith(".")) return `"${name}" begins or ends with a dot`;
  return undefined;
}

export function renderServerName(template: string, pod: Pod): Rendered<ServerName> {
  const filled = fill(template, pod);
  if (!filled.ok) return filled;
  const problem = nameProblem(filled.value);
  return problem === undefined ? { ok: true, value: filled.value as ServerName } : refused(`serverName ${template}: ${problem}`);
}

/** The names that a pod's server may have: one, or with `isPrefix` all that begin so. `text` is comparable. */
export interface NamePattern {
  readonly text: string;
  readonly isPrefix: boolean;
}

/** As renderServerName, for a template that may end in `*`: the product appends application path and suffixes to the machine's name. */
export function renderNamePattern(template: string, pod: Pod): Rendered<NamePattern> {
  const isPrefix = template.endsWith("*");
  const filled = fill(isPrefix ? template.slice(0, -1) : template, pod);
  if (!filled.ok) return filled;
  // What follows a prefix is not known: it may end in a dot.
  const problem = nameProblem(isPrefix ? `${filled.value}x` : filled.value);
  return problem === undefined
    ? { ok: true, value: { text: comparable(filled.value), isPrefix } }
    : refused(`serverName ${template}: ${problem}`);
}

export const matchesName = ({ text, isPrefix }: NamePattern, name: string): boolean =>
  isPrefix ? comparable(name).startsWith(text) : comparable(name) === text;

/** Finds what was put under the patterns that a name matches, without trying them all. */
export function patternIndex<T>(entries: readonly { readonly pattern: NamePattern; readonly value: T }[]): (name: string) => readonly T[] {
  const names = Map.groupBy(
    entries.filter(({ pattern }) => !pattern.isPrefix),
    ({ pattern }) => pattern.text,
  );
  const prefixes = Map.groupBy(
    entries.filter(({ pattern }) => pattern.isPrefix),
    ({ pattern }) => pattern.text,
  );
  const lengths = [...new Set([...prefixes.keys()].map(({ length }) => length))];
  return (name) => {
    const text = comparable(name);
    const begun = lengths.flatMap((length) => (text.length < length ? [] : (prefixes.get(text.slice(0, length)) ?? [])));
    return [...(names.get(text) ?? []), ...begun].map(({ value }) => value);
  };
}

/** The URL of a pod, `waits` while the template needs an IP that the pod does not have yet. An IPv6 address gets its brackets. */
export function renderUrl(template: string, pod: Pod): Rendered<string> | { readonly ok: "waits" } {
  if (template.includes("$(POD_IP)") && pod.ip === undefined) return { ok: "waits" };
  const ip = pod.ip ?? "";
  return fill(template.replaceAll("$(POD_IP)", ip.includes(":") ? `[${ip}]` : ip), pod);
}

/** Two names that are one to a database with the usual collation: case and trailing blanks (not tabs) do not count. */
export const comparable = (name: string): string => (name.endsWith(" ") ? name.replace(/ +$/, "") : name).toLowerCase();
