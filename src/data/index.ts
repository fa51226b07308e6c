/** Data sets in memory, their formats, and digits made without a download: `import { data } from "weft"`. */
export * from "./dataset.ts";
export { gunzip, isGzip } from "./gzip.ts";
export { parseIdx } from "./idx.ts";
export { datasetSources } from "./sources.ts";
export { type SyntheticOptions, syntheticDigits } from "./synthetic.ts";
