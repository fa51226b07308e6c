// Prints the benchmark's results as text tables. A wrong result has no time; no row is left out.
import { number, textTable } from "./format.mjs";

const MiB = 2 ** 20;
/** Kernels on hardware that reach less than this share of their measured bound are listed separately. */
const LOW_SHARE = 0.5;
const RATES = ["GFLOP/s", "GB/s", "of measured", "bound"];

export function suiteText({ adapter, limits, firstStep, memory, items }, size) {
  const of = (kind) => items.filter((item) => item.kind === kind);
  const { flops, small, large } = limits;
  const rates = `${number(flops / 1e9)} GFLOP/s of multiply-adds; copies ${number(small / 1e9)} GB/s (small), `;
  return [
    `Adapter: ${adapter.description}\n`,
    ...(firstStep ? [firstStepText(firstStep)] : []),
    ...(memory ? [memoryText(memory)] : []),
    ...(size ? [sizeText(size)] : []),
    `\nMeasured limits: ${rates}${number(large / 1e9)} GB/s (large)\n`,
    table("", of("peak"), { rate: ({ amount, min }) => `${number(amount / min / 1e6)} G/s` }),
    table("Training steps, Adam, ms", of("network"), {
      "ms / image": ({ ms, batch }) => number(ms / batch),
      dispatches: ({ callsPerStep }) => number(callsPerStep.dispatches),
      passes: ({ callsPerStep }) => number(callsPerStep.passes),
      submits: ({ callsPerStep }) => number(callsPerStep.submits),
      objects: ({ objectsPerStep }) => number(objectsPerStep),
      writes: ({ callsPerStep }) => number(callsPerStep.queueWrites),
      MiB: ({ stateBytes, slotBytes }) => number((stateBytes + slotBytes) / MiB),
    }),
    table(
      "Kernels, ms",
      of("kernel"),
      Object.fromEntries(RATES.map((name, i) => [name, (row) => rateCells(row)[i]])),
    ),
    sharesTable(of("network").find(({ name }) => name === "lenet5 batch 64")),
  ].join("\n");
}

/** Peak memory of a process, and the parts of it that do not depend on the data. */
function memoryText({ problem, peakMiB, residentMiB }) {
  const what = "Peak memory of a LeNet-5 run on 60,000 images";
  if (problem) return `${what}: ${problem}`;
  const { node, library, driver, kernels } = residentMiB;
  const parts = [
    `Node ${mebibytes(node)}`,
    `the library ${mebibytes(library - node)}`,
    `Dawn and the driver ${mebibytes(driver - library)}`,
    `compiled kernels and two steps ${mebibytes(kernels - driver)}`,
    `the data on the device and the run ${mebibytes(peakMiB - kernels)}`,
  ];
  return `${what}: ${mebibytes(peakMiB)} (${parts.join(", ")})`;
}

/** A line for each kernel below LOW_SHARE. */
export function lowShares({ items }) {
  return items
    .filter(({ kind, share }) => kind === "kernel" && share < LOW_SHARE)
    .map(({ name, share, bound }) => `${name}: ${percent(share)} of the measured bound (${bound})`);
}

const percent = (share) => `${(100 * share).toFixed(0)} %`;
const mebibytes = (value) => `${number(value)} MiB`;

function firstStepText({ problem, starts }) {
  if (problem !== undefined) return `First LeNet-5 step: ${problem}`;
  const middle = [...starts].sort((a, b) => a.stepped - b.stepped)[starts.length >> 1];
  const { loaded, opened, compiled, stepped, cpuMs } = middle;
  const phases = [
    `modules ${number(loaded)}`,
    `device ${number(opened - loaded)}`,
    `compilation ${number(compiled - opened)}`,
    `step ${number(stepped - compiled)}`,
    `processor time ${number(cpuMs)}`,
  ];
  return `Process start to the end of the first LeNet-5 step: ${number(stepped)} ms (${phases.join(", ")})`;
}

function sizeText({ problem, software, gpu, aheadOfTime }) {
  if (problem !== undefined) return `Minimal LeNet-5 training program: ${problem.split("\n")[0]}`;
  const kB = (files) => `${number(Object.values(files).reduce((sum, bytes) => sum + bytes, 0) / 1000)} kB`;
  return `Minimal LeNet-5 training program, minified and gzipped: ${kB(aheadOfTime)} compiled ahead of time; traced in the page ${kB(gpu)} on a GPU, ${kB(software)} on a software adapter`;
}

function table(title, rows, columns) {
  if (rows.length === 0) return "";
  const header = [title, "median", "min", "max", ...Object.keys(columns)];
  const cells = rows.map((row) => {
    if (row.problem !== undefined) return [row.name, row.problem.slice(0, 60)];
    const times = [row.ms, row.min, row.max].map(number);
    return [row.name, ...times, ...Object.values(columns).map((cell) => cell(row))];
  });
  return `${textTable([header, ...cells])}\n`;
}

function sharesTable(step) {
  const total = step?.shares?.reduce((sum, { ms }) => sum + ms, 0);
  if (!total) return "";
  const rows = step.shares.map(({ label, ms, gflops, gbytes, share, bound }) => [
    label,
    number(ms),
    percent(ms / total),
    ...rateCells({ gflops, gbytes, share, bound }),
  ]);
  const header = [`${step.name}: dispatches`, "ms", "share", ...RATES];
  return `${textTable([header, ...rows])}\n`;
}

function rateCells({ gflops, gbytes, share, bound }) {
  return [gflops === undefined ? "-" : number(gflops), number(gbytes), percent(share), bound];
}
