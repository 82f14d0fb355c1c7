// Cuts a .NET connection string into keywords and values by the grammar of Microsoft's clients. It knows no meaning of any value, and no
// refusal repeats one, nor what may be a piece of one.
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

// White space as .NET sees it; unlike JavaScript's \s without the byte order mark.
const space = "[\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";
const visible = (besides: string): string => `(?:(?!${space})[^${besides}\\p{Cc}])`;
const itemPattern = new RegExp(
  `(?:${space}|;)*` +
    `(?<key>(?:${visible("=")}|${space}+${visible("=")}|${space}+==|==)+)${space}*=(?!=)${space}*` +
    `(?:"(?<double>(?:[^"\\0]|"")*)"|'(?<single>(?:[^'\\0]|'')*)'|(?<plain>(?!["']|${space})(?:${visible(";")}|${space}+${visible(";")})*(?<!["'])))` +
    `${space}*(?:;|(?:\\0|${space})*$)`,
  "uy",
);
const endPattern = new RegExp(`^(?:${space}|;|\\0)*$`, "u");

/** In the string's order. Never throws. */
export function itemsOf(text: string): readonly Item[] | Refusal {
  if (text.length > longest) return refuse("ConnectionStringInvalid", `The connection string is longer than ${longest} characters.`);
  const items: Item[] = [];
  for (let at = 0; !endPattern.test(text.slice(at)); at = itemPattern.lastIndex) {
    itemPattern.lastIndex = at;
    const groups = itemPattern.exec(text)?.groups;
    if (groups === undefined) return malformed(items);
    const spelling = (groups["key"] ?? "").replaceAll("==", "=").toLowerCase();
    const keyword = keywordOf(spelling);
    if (keyword === undefined) return unknownKeyword(spelling, items.at(-1)?.keyword.name);
    const value = groups["double"]?.replaceAll('""', '"') ?? groups["single"]?.replaceAll("''", "'") ?? groups["plain"] ?? "";
    items.push({ keyword, spelling, value });
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
