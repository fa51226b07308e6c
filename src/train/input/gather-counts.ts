/** How a number of samples falls into steps: apart from gatherBatch, for programs compiled ahead of time, which have no ops. */

/** Steps in which a data set is gone through once; the last one may be partial. */
export function stepsPerEpoch(count: number, batchSize: number): number {
  return Math.ceil(count / batchSize);
}

/** What the kernel must know of a data set that is there whole: all that depends on its number of samples. */
export function countConstants(count: number, batchSize: number) {
  const steps = stepsPerEpoch(count, batchSize);
  return { COUNT: count, STEPS: steps, SHARD: count, SHARDS: 1, PER: steps, SLOTS: 1 };
}
