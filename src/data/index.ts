/** Data sets in memory, their formats, and digits made without a download: `import { data } from "weft"`. */

export { alignTo, type Form } from "./align.ts";
export {
  type ArraysOptions,
  datasetFromArrays,
  datasetFromNpz,
  type NpzOptions,
  parseNpz,
} from "./arrays.ts";
export { bostonColumns, parseBoston } from "./boston.ts";
export { type ByteSource, blobBytes } from "./byte-source.ts";
export { type CifarBatch, parseCifarBatch, parseCifarNames } from "./cifar10.ts";
export { type CsvOptions, parseCsv } from "./csv.ts";
export {
  type Dataset,
  labelSize,
  packBytes,
  readSample,
  sampleSize,
  subset,
  take,
  validateDataset,
} from "./dataset.ts";
export { parseDigits } from "./digits.ts";
export { gunzip, gunzipIfPacked, isGzip } from "./gzip.ts";
export { parseIdx } from "./idx.ts";
export { type DecodedImage, type ImageSize, imageToSample } from "./image.ts";
export { type NpyArray, parseNpy } from "./npy.ts";
export type { SampleArray } from "./on-demand.ts";
export { jpegOrientation, upright } from "./orientation.ts";
export {
  loadSharded,
  type Samples,
  type ShardedDataset,
  shardsOf,
  type TrainingData,
} from "./sharded.ts";
export {
  type ClassOptions,
  type RawFile,
  type ShardedFileOptions,
  shardedCifar10,
  shardedIdx,
  shardedNpy,
  shardedRaw,
} from "./sharded-files.ts";
export { datasetSources } from "./sources.ts";
export { type Fold, kFold, type SplitOptions, shuffle, split } from "./split.ts";
export {
  type ColumnStatistics,
  columnStatistics,
  fitStandardizer,
  meanAndStd,
  normalize,
  type Standardizer,
} from "./standardize.ts";
export { type SyntheticOptions, syntheticDigits } from "./synthetic.ts";
export { type NoiseOptions, noise, type SpiralOptions, spirals } from "./synthetic-points.ts";
export { parseTar } from "./tar.ts";
export { parseUsps } from "./usps.ts";
export { unzip, type ZipOptions } from "./zip.ts";
