/** What Weft adds in Node: devices through Dawn, data sets from disk and mirrors. */

export { progressBar } from "./cli/training-bar.ts";
export { datasets, loadDataset } from "./datasets.ts";
export { openDawn } from "./dawn.ts";
export { type OpenOptions, openDevice } from "./device.ts";
export { MirrorsError } from "./download.ts";
export { fileBytes } from "./file-bytes.ts";
export { FileExistsError } from "./files.ts";
export { fileTuneStore } from "./tune-store.ts";
