// Where randomness comes from: every jitter takes it as an argument, so that a test can choose it.

/** A number in [0, 1). */
export type Random = () => number;

export const systemRandom: Random = () => Math.random();
