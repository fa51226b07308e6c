/** How the samples of a data set fall into batches: what programs must know of it that are compiled ahead of time, without ops. */

/** Steps of one pass over `count` samples; the last batch may be partial. */
export function stepsPerEpoch(count: number, batchSize: number): number {
  return Math.ceil(count / batchSize);
}

/** Constants of gatherBatch that depend on the number of samples, for a data set that is wholly on the device. */
export function countConstants(count: number, batchSize: number) {
  const steps = stepsPerEpoch(count, batchSize);
  return { COUNT: count, STEPS: steps, SHARD: count, SHARDS: 1, PER: steps, SLOTS: 1 };
}
