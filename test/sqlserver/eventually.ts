// Waits for something that can be seen. It never waits for time: it looks again in each turn of the loop, and gives up in the end.

const longestMs = 60_000;

/** Throws when `isSo` is still false after a minute. */
export async function eventually(isSo: () => boolean): Promise<void> {
  const startMs = performance.now();
  while (!isSo()) {
    if (performance.now() - startMs > longestMs) throw new Error(`Cannot see within ${longestMs} ms: ${isSo.toString()}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
