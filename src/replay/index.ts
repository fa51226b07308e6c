/** `weft/replay`: trains from a recording, without the rest of the library. */
export type { Recording } from "./recording.ts";
export { openRecording, type RecordedTrainer, type RecordingOptions } from "./trainer.ts";
