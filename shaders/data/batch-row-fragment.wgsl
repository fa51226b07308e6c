// FRAGMENT of kernels that form batches: which sample is in which row of the batch of a step. Needs order-functions.wgsl. Provides
// the overrides of the schedule and `rowOf`. Of a data set in shards, SLOTS shards of SHARD samples are resident; shard visit t,
// counted over all epochs, is in slot t % SLOTS.

override COUNT: u32;
override B: u32;
override STEPS: u32;     // per epoch
override SHARD: u32;     // samples of each shard but the last; COUNT without shards
override SHARDS: u32;
override PER: u32;       // steps per full shard
override SLOTS: u32;     // shards that are resident
override shuffle: bool;

struct BatchRow {
  sample: u32,
  counts: bool,  // false for rows past the end of the data, which start again at its first sample
}

fn rowOf(row: u32, step: u32, k0: u32, k1: u32) -> BatchRow {
  let within = step % STEPS;
  let shard = within / PER;
  let visit = step / STEPS * SHARDS + shard;
  let size = select(SHARD, COUNT - shard * SHARD, shard == SHARDS - 1u);
  let position = within % PER * B + row;
  var sample = position % size;
  if (shuffle) { sample = permuteIndex(sample, size, k0, k1 ^ lowbias32(visit)); }
  return BatchRow(sample + visit % SLOTS * SHARD, position < size);
}
