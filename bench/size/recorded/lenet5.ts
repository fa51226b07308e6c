/** The same training run as ../lenet5.ts, compiled ahead of time: what a page loads then. */
import { openReplay } from "weft/replay";

const random = (length: number, below: number) =>
  Uint8Array.from({ length }, () => Math.floor(Math.random() * below));
const adapter = await navigator.gpu.requestAdapter();
if (adapter === null) throw new Error("There is no WebGPU adapter.");
const recording: unknown = await (await fetch("lenet5.recording.json")).json();
const training = await openReplay(recording, adapter);
training.upload("train", random(128 * 784, 256), Int32Array.from(random(128, 10)));
const { loss } = await training.train(training.stepsPerEpoch);
document.title = `trained ${training.steps} steps, loss ${loss.toFixed(3)}`;
