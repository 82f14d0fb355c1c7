// The time of one story, which passes only where the story says so, and what was put off in it. However late a busy machine looks, what is due
// later in the story has not been done yet.

interface PutOff {
  readonly atMs: number;
  readonly deed: () => void;
}

export class StoryTime {
  #nowMs = 0;
  #deedAtMs = 0;
  #putOff: readonly PutOff[] = [];

  /** Milliseconds since the story began. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** When the last deed was done. Controllers may take their time, but what they do they do because of it. */
  get deedAtMs(): number {
    return this.#deedAtMs;
  }

  /** Whether something is to be done later. */
  get isWaiting(): boolean {
    return this.#putOff.length > 0;
  }

  noteDeed(): void {
    this.#deedAtMs = this.#nowMs;
  }

  /** Does it so much later, unless the story is over by then. */
  later(ms: number, deed: () => void): void {
    this.#putOff = [...this.#putOff, { atMs: this.#nowMs + ms, deed }];
  }

  /** It is so late, and what was put off until now is done. */
  reach(nowMs: number): void {
    this.#nowMs = nowMs;
    this.#do(({ atMs }) => atMs <= nowMs);
  }

  /** What was put off is done, whatever the time. */
  hurry(): void {
    this.#do(() => true);
  }

  #do(isDue: (one: PutOff) => boolean): void {
    const due = this.#putOff.filter(isDue);
    this.#putOff = this.#putOff.filter((one) => !due.includes(one));
    for (const { deed } of due) deed();
  }
}
