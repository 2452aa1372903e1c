/** How many threads compute at most, for machines that many share: `LORALAB_THREADS`; undefined where it is not set. */
export function mostThreads(text = globalThis.process?.env.LORALAB_THREADS): number | undefined {
  if (!text) return undefined;
  const count = Number(text);
  if (Number.isInteger(count) && count > 0) return count;
  throw new Error(`LORALAB_THREADS should be a number of threads, 1 or more, got ${JSON.stringify(text)}`);
}
