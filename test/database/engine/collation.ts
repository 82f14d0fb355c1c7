// How strings of each collation are equal and ordered. Trailing blanks never count, whatever the collation says.

export interface Collation {
  readonly name: string;
  /** Equal strings have equal keys, and only they. */
  readonly key: (text: string) => string;
  /** Folds for LIKE, where trailing blanks count. */
  readonly fold: (text: string) => string;
  readonly compare: (left: string, right: string) => number;
}

function withoutTrailingBlanks(text: string): string {
  let end = text.length;
  while (end > 0 && text.charCodeAt(end - 1) === 32) end--;
  return end === text.length ? text : text.slice(0, end);
}

// Sharp s equals two of them in every collation but the binary ones; lower case keeps the dotless i apart from i, upper case would not.
const lower = (text: string): string => text.toLowerCase().replaceAll("ß", "ss");
const unaccented = (text: string): string => text.normalize("NFD").replaceAll(/\p{M}/gu, "");

function collation(name: string, fold: (text: string) => string, order: (left: string, right: string) => number): Collation {
  const key = (text: string): string => fold(withoutTrailingBlanks(text));
  const compare = (left: string, right: string): number => {
    const [a, b] = [key(left), key(right)];
    if (a === b) return 0;
    return order(a, b) || (a < b ? -1 : 1);
  };
  return { name, key, fold, compare };
}

// Half and full width, hiragana and katakana: two ways to write one character in every collation that does not say WS and KS; a half-width
// letter with its sound mark is one letter. https://learn.microsoft.com/sql/relational-databases/collations/collation-and-unicode-support
const oneWidth = (text: string): string => text.replaceAll(/[\uff01-\uffee]+/g, (wide) => wide.normalize("NFKC")).replaceAll("\u3000", " ");
const oneKana = (text: string): string =>
  text.replaceAll(/[\u30a1-\u30f6]/g, (katakana) => String.fromCharCode(katakana.charCodeAt(0) - 0x60));
const oneForm = (text: string): string => oneKana(oneWidth(text));

const byCulture = (culture: string, sensitivity: "base" | "accent" | "variant") => new Intl.Collator(culture, { sensitivity }).compare;
const byCodeUnit = (left: string, right: string): number => (left < right ? -1 : 1);
const asItIs = (text: string): string => text;

const known: readonly Collation[] = [
  collation("SQL_Latin1_General_CP1_CI_AS", (text) => lower(oneForm(text)), byCulture("en", "accent")),
  collation("Latin1_General_CI_AS", (text) => lower(oneForm(text)), byCulture("en", "accent")),
  collation("Latin1_General_CI_AS_KS_WS", lower, byCulture("en", "accent")),
  collation("Latin1_General_CI_AI", (text) => lower(unaccented(oneForm(text))), byCulture("en", "base")),
  collation("Latin1_General_CS_AS", (text) => oneForm(text).replaceAll("ß", "ss"), byCulture("en", "variant")),
  collation("Latin1_General_BIN", asItIs, byCodeUnit),
  collation("Latin1_General_BIN2", asItIs, byCodeUnit),
  collation("Turkish_CI_AS", (text) => oneForm(text).toLocaleLowerCase("tr").replaceAll("ß", "ss"), byCulture("tr", "accent")),
  collation("Japanese_CI_AS", (text) => lower(oneForm(text)), byCulture("ja", "accent")),
];
const byName = new Map(known.map((one) => [one.name.toLowerCase(), one]));

export const findCollation = (name: string): Collation | undefined => byName.get(name.toLowerCase());
export const defaultCollation: Collation = known[0] ?? collation("", lower, byCodeUnit);

/** A LIKE pattern as a test on text. */
export function likeTest(pattern: string, escape: string | undefined, { fold }: Collation): (text: string) => boolean {
  const quote = (character: string): string => fold(character).replaceAll(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
  const characters = Array.from(pattern);
  let source = "";
  for (let i = 0; i < characters.length; i++) {
    const character = characters[i] ?? "";
    const close = character === "[" ? characters.indexOf("]", i + 2) : -1;
    if (character === escape) source += quote(characters[++i] ?? "");
    else if (character === "%") source += ".*";
    else if (character === "_") source += ".";
    else if (close > 0) {
      const body = characters.slice(i + 1, close);
      const negated = body[0] === "^";
      const set = (negated ? body.slice(1) : body).map((one, at, all) =>
        one === "-" && at > 0 && at < all.length - 1 ? "-" : one === "-" ? "\\-" : quote(one),
      );
      source += `[${negated ? "^" : ""}${set.join("")}]`;
      i = close;
    } else source += quote(character);
  }
  const expression = new RegExp(`^${source}$`, "su");
  return (text) => expression.test(fold(text));
}
