// Reads one keyword=value of a .NET connection string from left to right, as Microsoft's clients do. Each character is looked at a fixed
// number of times: a Secret of blanks must not keep the operator busy. It knows no keyword.

export type Step =
  | { readonly kind: "item"; readonly key: string; readonly value: string; readonly next: number }
  /** Nothing but blanks, semicolons and NULs is left. */
  | { readonly kind: "end" }
  | { readonly kind: "malformed" };

// White space as .NET sees it; unlike JavaScript's \s without the byte order mark.
const blank = /[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;
const isBlank = (character: string | undefined): boolean => character !== undefined && blank.test(character);
const isControl = (character: string): boolean => /\p{Cc}/u.test(character) && !isBlank(character);
const isQuote = (character: string | undefined): character is string => character === '"' || character === "'";

const malformed = { kind: "malformed" } as const;

/** The first place from `at` on whose character is not wanted, or the end. */
function past(text: string, at: number, isWanted: (character: string) => boolean): number {
  for (let place = at; ; place += 1) {
    const character = text[place];
    if (character === undefined || !isWanted(character)) return place;
  }
}

/** `from`: behind the item before, or 0. */
export function readItem(text: string, from: number): Step {
  const start = past(text, from, (character) => isBlank(character) || character === ";");
  if (past(text, start, (character) => isBlank(character) || character === ";" || character === "\0") === text.length)
    return { kind: "end" };
  const key = readKey(text, start);
  if (key === undefined) return malformed;
  const first = past(text, key.next, isBlank);
  const value = isQuote(text[first]) ? readQuoted(text, first, text[first]) : readPlain(text, first);
  if (value === undefined) return malformed;
  const behind = past(text, value.next, isBlank);
  if (text[behind] === ";") return { kind: "item", key: key.text, value: value.text, next: behind + 1 };
  const isLast = past(text, behind, (character) => isBlank(character) || character === "\0") === text.length;
  return isLast ? { kind: "item", key: key.text, value: value.text, next: text.length } : malformed;
}

interface Read {
  readonly text: string;
  readonly next: number;
}

/** Up to the first = that is not doubled; without the blanks before it. */
function readKey(text: string, start: number): Read | undefined {
  let at = start;
  for (;;) {
    const character = text[at];
    if (character === undefined || isControl(character)) return undefined;
    if (character !== "=") at += 1;
    else if (text[at + 1] === "=") at += 2;
    else break;
  }
  const key = withoutBlanksBehind(text, start, at);
  return key === "" ? undefined : { text: key.replaceAll("==", "="), next: at + 1 };
}

/** Up to the same quotation mark, which is doubled inside. */
function readQuoted(text: string, start: number, quote: string): Read | undefined {
  let at = start + 1;
  for (;;) {
    const character = text[at];
    if (character === undefined || character === "\0") return undefined;
    if (character !== quote) at += 1;
    else if (text[at + 1] === quote) at += 2;
    else break;
  }
  return { text: text.slice(start + 1, at).replaceAll(quote + quote, quote), next: at + 1 };
}

/** Up to a semicolon; without the blanks before it. */
function readPlain(text: string, start: number): Read | undefined {
  const end = past(text, start, (character) => character !== ";" && !isControl(character));
  const value = withoutBlanksBehind(text, start, end);
  return isQuote(value.at(-1)) ? undefined : { text: value, next: end };
}

function withoutBlanksBehind(text: string, start: number, end: number): string {
  let last = end;
  while (last > start && isBlank(text[last - 1])) last -= 1;
  return text.slice(start, last);
}
