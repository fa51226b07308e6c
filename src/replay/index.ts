/** `weft/replay`: trains from a recording, without the rest of the library. */

export type { Recording } from "./recording.ts";
export { openReplay, type Replay, type ReplayOptions, type RunOptions } from "./replay.ts";
