/** The benchmark's tables for people. A wrong result has no time. */
import type { StepResult } from "./lenet5.ts";
import type { KernelResult } from "./measure.ts";

const milliseconds = (value: number) => `${value < 10 ? value.toFixed(3) : value.toFixed(1)} ms`;
const number = (value: number | undefined) => (value === undefined ? "" : value.toFixed(2));

function table(rows: readonly (readonly string[])[]): void {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((r) => (r[i] ?? "").length)));
  for (const row of rows) {
    console.log(
      row
        .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
        .join("  "),
    );
  }
  console.log("");
}

export function printStep(step: StepResult): void {
  console.log("LeNet-5, Adam, batch 64, one training step");
  if (!step.right) {
    console.log(`WRONG: losses differ from the golden run by ${step.worstLoss}\n`);
    return;
  }
  console.log(`losses right to ${step.worstLoss.toExponential(1)}, ${step.dispatches} dispatches`);
  console.log(
    `${milliseconds(step.median)} median, ${milliseconds(step.min)} min, ${milliseconds(step.max)} max; ` +
      `first step after ${milliseconds(step.firstStep)}, compilation included\n`,
  );
  const total = step.kernels.reduce((sum, k) => sum + k.milliseconds, 0);
  if (total === 0) return;
  const share = (k: { milliseconds: number }) => `${((100 * k.milliseconds) / total).toFixed(1)} %`;
  table([
    ["dispatch", "time", "share"],
    ...step.kernels.map((k) => [k.label, milliseconds(k.milliseconds), share(k)]),
  ]);
}

export function printKernels(kernels: readonly KernelResult[]): void {
  if (kernels.length === 0) return;
  table([
    ["kernel", "median", "min", "GFLOP/s", "GB/s"],
    ...kernels.map((k) =>
      k.right
        ? [k.name, milliseconds(k.median), milliseconds(k.min), number(k.gflops), number(k.gbytes)]
        : [k.name, `WRONG by ${k.worst.toExponential(1)}`, "", "", ""],
    ),
  ]);
}
