/** Data sets in memory, their formats, and digits made without a download: `import { data } from "weft"`. */

export { gunzip, gunzipIfPacked, isGzip } from "./archives/gzip.ts";
export { parseTar } from "./archives/tar.ts";
export { unzip, type ZipOptions } from "./archives/zip.ts";
export { type ByteSource, blobBytes } from "./byte-source.ts";
export {
  type Column,
  type ColumnDataset,
  type ColumnDtype,
  type ColumnForm,
  type ColumnSamples,
  type ColumnsOptions,
  type ColumnValues,
  fromColumns,
  type GivenColumn,
  type Reading,
  type ShardedColumns,
  validateColumns,
} from "./columns.ts";
export { type CsvOptions, parseCsv } from "./csv/parse-csv.ts";
export {
  type Dataset,
  type InMemory,
  labelSize,
  packBytes,
  readSample,
  sampleSize,
  subset,
  take,
  validateDataset,
} from "./dataset.ts";
export {
  type ArraysOptions,
  datasetFromArrays,
  datasetFromNpz,
  type NpzOptions,
  parseNpz,
} from "./formats/arrays.ts";
export { parseIdx } from "./formats/idx.ts";
export { type NpyArray, parseNpy } from "./formats/npy.ts";
export {
  type ClassOptions,
  type RawFile,
  type ShardedFileOptions,
  shardedCifar10,
  shardedIdx,
  shardedNpy,
  shardedRaw,
} from "./formats/sharded-files.ts";
export { jpegOrientation, upright } from "./images/orientation.ts";
export { type DecodedImage, type ImageSize, imageToSample } from "./images/resize.ts";
export type { SampleArray } from "./lazy-inputs.ts";
export { alignTo, type Form } from "./prepare/align.ts";
export { type Fold, kFold, type SplitOptions, shuffle, split } from "./prepare/split.ts";
export {
  type ColumnStatistics,
  columnStatistics,
  fitStandardizer,
  meanAndStd,
  normalize,
  type Standardizer,
} from "./prepare/standardize.ts";
export { bostonColumns, parseBoston } from "./published/boston.ts";
export { type CifarBatch, parseCifarBatch, parseCifarNames } from "./published/cifar10.ts";
export { parseDigits } from "./published/digits.ts";
export { datasetSources } from "./published/index.ts";
export { parseUsps } from "./published/usps.ts";
export {
  type BatchesOptions,
  type BucketOptions,
  batches,
  bucketByLength,
  fromSequences,
  type SequenceColumn,
  type SequencesOptions,
} from "./sequences.ts";
export {
  loadSharded,
  type PairData,
  type Samples,
  type ShardedDataset,
  shardsOf,
  type TrainingData,
} from "./sharded.ts";
export {
  fromGenerator,
  SampleStream,
  type StreamItem,
  type StreamOptions,
  type StreamSource,
} from "./stream.ts";
export { type SyntheticOptions, syntheticDigits } from "./synthetic/digits.ts";
export { type NoiseOptions, noise, type SpiralOptions, spirals } from "./synthetic/toy-sets.ts";
