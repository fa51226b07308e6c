/** Weft in Node: devices through Dawn, data sets from disk and mirrors, the progress bar of the command line. */
export { progressBar } from "./cli/output/progress-bars.ts";
export { datasets, loadDataset } from "./datasets.ts";
export { openDawn } from "./device/dawn.ts";
export { type OpenOptions, openDevice } from "./device/open-device.ts";
export { fileTuneStore } from "./device/tune-store.ts";
export { MirrorsError } from "./download/download-file.ts";
export { FileExistsError } from "./files/atomic-write.ts";
export { fileBytes } from "./files/plain-file.ts";
