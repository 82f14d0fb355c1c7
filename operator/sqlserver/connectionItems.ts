// Cuts a .NET connection string into the keywords that it may have, and their values. It knows no meaning of any value, and no
// refusal repeats one, nor what may be a piece of one.
import { readItem } from "./connectionGrammar.ts";
import { isDriversWord, type Keyword, keywordOf, meantBy } from "./connectionKeywords.ts";

export interface Item {
  readonly keyword: Keyword;
  /** As the string has it, in lower case. */
  readonly spelling: string;
  readonly value: string;
}

export interface Refusal {
  readonly kind: "refused";
  readonly reason: string;
  readonly message: string;
}

export const refuse = (reason: string, message: string): Refusal => ({ kind: "refused", reason, message });

const longest = 32_768; // characters

/** In the string's order. Never throws. */
export function itemsOf(text: string): readonly Item[] | Refusal {
  if (text.length > longest) return refuse("ConnectionStringInvalid", `The connection string is longer than ${longest} characters.`);
  const items: Item[] = [];
  for (let step = readItem(text, 0); step.kind !== "end"; step = readItem(text, step.next)) {
    if (step.kind === "malformed") return malformed(items);
    const spelling = step.key.toLowerCase();
    const keyword = keywordOf(spelling);
    if (keyword === undefined) return unknownKeyword(spelling, items.at(-1)?.keyword.name);
    items.push({ keyword, spelling, value: step.value });
  }
  return items;
}

function malformed(items: readonly Item[]): Refusal {
  const last = items.at(-1)?.keyword.name;
  const where = last === undefined ? "at its beginning" : `behind ${last}`;
  return refuse(
    "ConnectionStringInvalid",
    `The connection string is not of the form keyword=value;keyword=value: it cannot be read ${where}. A value with ; or a quotation mark at an end stands in "quotes".`,
  );
}

// What follows a password that has a semicolon and no quotes looks like a keyword, and is a part of the secret.
function unknownKeyword(spelling: string, before: string | undefined): Refusal {
  if ((before === "Password" || before === "User ID") && !isDriversWord(spelling))
    return refuse(
      "KeywordNotSupported",
      `The connection string has an unknown keyword behind ${before}. A value with ; stands in "quotes"; otherwise remove the keyword.`,
    );
  const printable = spelling.replace(/[^\x20-\x7e]/g, "?").slice(0, 40);
  return refuse("KeywordNotSupported", `The connection string has an unknown keyword "${printable}". ${cureOf(spelling)}`);
}

function cureOf(spelling: string): string {
  if (spelling.startsWith("\ufeff")) return "The Secret begins with a byte order mark: remove it.";
  const meant = meantBy(spelling);
  return meant === undefined ? "Remove it, or use its full name." : `Write ${meant}.`;
}
