/** `weft/replay`: trains from a recording, without the rest of the library. */
export { adapterKind, adapterName } from "../gpu/adapter-kind.ts";
export type { Recording } from "./recording.ts";
export { openRecording, type RecordedTrainer, type RecordingOptions } from "./trainer.ts";
