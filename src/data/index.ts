/** Data sets in memory, their formats, and digits made without a download: `import { data } from "weft"`. */

export { bostonColumns, parseBoston } from "./boston.ts";
export { type CifarBatch, parseCifarBatch, parseCifarNames } from "./cifar10.ts";
export {
  type Dataset,
  labelSize,
  packBytes,
  readSample,
  type SampleArray,
  sampleSize,
  subset,
  take,
  validateDataset,
} from "./dataset.ts";
export { parseDigits } from "./digits.ts";
export { gunzip, gunzipIfPacked, isGzip } from "./gzip.ts";
export { parseIdx } from "./idx.ts";
export { datasetSources } from "./sources.ts";
export { type Fold, kFold, type SplitOptions, shuffle, split } from "./split.ts";
export { type SyntheticOptions, syntheticDigits } from "./synthetic.ts";
export { parseTar } from "./tar.ts";
export { parseUsps } from "./usps.ts";
