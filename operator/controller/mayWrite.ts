// The question that every write asks in the turn in which it would start, and the error of those that may not. It decides nothing.

/** Whether this process may write now; answers at once and from a clock. */
export type MayWrite = () => boolean;

/** Nothing was sent. */
export class NotLeading extends Error {
  constructor(what: string) {
    super(`Cannot ${what}: this process does not hold the lease any more`);
    this.name = "NotLeading";
  }
}
