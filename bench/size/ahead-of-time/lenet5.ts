/** The training run of ../lenet5.ts, opened from a program compiled ahead of time. */
import { openProgram } from "weft/replay";

const random = (length: number, below: number) =>
  Uint8Array.from({ length }, () => Math.floor(Math.random() * below));
const count = 128;
const images = {
  name: "noise",
  split: "train",
  count,
  inputs: { data: random(count * 784, 256), shape: [1, 28, 28], scale: 1 / 255 },
  labels: Int32Array.from(random(count, 10)),
  classes: 10,
};

const program: unknown = await (await fetch("lenet5.program.json")).json();
const trainer = await openProgram(program, await navigator.gpu.requestAdapter());
const { epochs } = await trainer.fit(images, { epochs: 1 });
document.title = `trained ${trainer.steps} steps, loss ${epochs[0]?.loss.toFixed(3)}`;
