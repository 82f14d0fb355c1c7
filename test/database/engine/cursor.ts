// Walks over the tokens of a batch and says, with the text, where the grammar ends.
import { at, syntaxError } from "./errors.ts";
import type { SqlError } from "./errors.ts";
import { reserved } from "./lexer.ts";
import type { Token } from "./lexer.ts";
import type { ObjectName } from "./syntax.ts";

export class Cursor {
  readonly #text: string;
  readonly #tokens: readonly Token[];
  #position = 0;
  constructor(text: string, tokens: readonly Token[]) {
    this.#text = text;
    this.#tokens = tokens;
  }

  peek(ahead = 0): Token {
    return at(this.#tokens, Math.min(this.#position + ahead, this.#tokens.length - 1));
  }
  previous(): Token | undefined {
    return this.#tokens[this.#position - 1];
  }
  next(): Token {
    const token = this.peek();
    this.#position++;
    return token;
  }
  get line(): number {
    return this.peek().line;
  }
  get atEnd(): boolean {
    return this.peek().kind === "end";
  }

  /** Are the next tokens these words or symbols? */
  sees(...words: readonly string[]): boolean {
    return words.every((word, i) => {
      const token = this.peek(i);
      return token.kind === "word" ? token.upper === word : token.kind === "symbol" && token.text === word;
    });
  }
  accept(...words: readonly string[]): boolean {
    const seen = this.sees(...words);
    if (seen) this.#position += words.length;
    return seen;
  }
  expect(...words: readonly string[]): void {
    for (const word of words) if (!this.accept(word)) throw this.refuse();
  }
  /** The first of the words that comes next. */
  acceptOne<const W extends string>(words: readonly W[]): W | undefined {
    return words.find((word) => this.accept(word));
  }
  expectOne<const W extends string>(words: readonly W[]): W {
    const word = this.acceptOne(words);
    if (word === undefined) throw this.refuse();
    return word;
  }

  get seesName(): boolean {
    const token = this.peek();
    return token.kind === "quoted" || (token.kind === "word" && !reserved.has(token.upper));
  }
  name(): string {
    if (!this.seesName) throw this.refuse();
    return this.next().text;
  }
  /** A name that must stand without brackets: a collation. */
  plainName(): string {
    if (this.peek().kind !== "word") throw this.refuse();
    return this.name();
  }
  objectName(): ObjectName {
    const line = this.line;
    const first = this.name();
    return this.accept(".") ? { schema: first, name: this.name(), line } : { schema: undefined, name: first, line };
  }
  string(): string {
    if (this.peek().kind !== "string") throw this.refuse();
    return this.next().text;
  }
  integer(): number {
    const negative = this.accept("-");
    if (this.peek().kind !== "number") throw this.refuse();
    const value = Number(this.next().text);
    return negative ? -value : value;
  }
  /** One or more, with commas between. */
  list<T>(element: () => T): readonly T[] {
    const elements = [element()];
    while (this.accept(",")) elements.push(element());
    return elements;
  }
  listInBrackets<T>(element: () => T): readonly T[] {
    this.expect("(");
    const elements = this.list(element);
    this.expect(")");
    return elements;
  }

  textBetween(start: Token, end: Token): string {
    return this.#text.slice(start.start, end.end);
  }
  refuse(): SqlError {
    const token = this.peek();
    const near = token.kind === "end" ? (this.previous()?.text ?? "") : token.text;
    const from = Math.max(0, token.start - 60);
    return syntaxError(near, this.#text.slice(from, from + 140).trim(), token.line);
  }
}
