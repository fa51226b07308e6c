// The benchmark's tables for people. A wrong result has no time; no row is left out.
import { number, textTable } from "./format.mjs";
import { total } from "./size/size.mjs";

const MiB = 2 ** 20;

export function printSuite({ adapter, limits, firstStep, memory, items }, size) {
  const of = (kind) => items.filter((item) => item.kind === kind);
  console.log(`Adapter: ${adapter.description}\n`);
  if (firstStep?.problem) console.log(`First LeNet-5 step: ${firstStep.problem}`);
  else if (firstStep) {
    const { loaded, opened, compiled, stepped } = middle(firstStep.starts);
    console.log(
      `Process start to the end of the first LeNet-5 step: ${number(stepped)} ms (modules ${number(loaded)}, device ` +
        `${number(opened - loaded)}, compilation ${number(compiled - opened)}, step ${number(stepped - compiled)})`,
    );
  }
  if (memory) {
    const peak = memory.problem ?? `${number(memory.peakMiB)} MiB`;
    console.log(`Peak memory of a LeNet-5 run on 60,000 images: ${peak}`);
  }
  if (size) {
    const kB = (files) => `${number(total(files) / 1000)} kB`;
    console.log(
      `Minimal LeNet-5 training program, minified and gzipped: ${kB(size.software)} on a software adapter, ` +
        `${kB(size.gpu)} on a GPU`,
    );
  }
  console.log(
    `\nMeasured limits: ${number(limits.flops / 1e9)} GFLOP/s of multiply-adds; copies ${number(limits.small / 1e9)} GB/s ` +
      `(small), ${number(limits.large / 1e9)} GB/s (large)\n`,
  );
  table("", of("peak"), { rate: ({ amount, ms }) => `${number(amount / ms / 1e6)} G/s` });
  table("Training steps, Adam, ms", of("network"), {
    "ms / image": ({ ms, batch }) => number(ms / batch),
    dispatches: ({ callsPerStep }) => number(callsPerStep.dispatches),
    passes: ({ callsPerStep }) => number(callsPerStep.passes),
    submits: ({ callsPerStep }) => number(callsPerStep.submits),
    objects: ({ objectsPerStep }) => number(objectsPerStep),
    writes: ({ callsPerStep }) => number(callsPerStep.queueWrites),
    MiB: ({ stateBytes, slotBytes }) => number((stateBytes + slotBytes) / MiB),
  });
  table("Kernels, ms", of("kernel"), {
    "GFLOP/s": ({ gflops }) => (gflops === undefined ? "-" : number(gflops)),
    "GB/s": ({ gbytes }) => number(gbytes),
    "of measured": ({ share }) => `${(100 * share).toFixed(0)} %`,
    bound: ({ bound }) => bound,
  });
  printShares(of("network").find(({ name }) => name === "lenet5 batch 64"));
}

function table(title, rows, columns) {
  if (rows.length === 0) return;
  const header = [title, "median", "min", "max", ...Object.keys(columns)];
  const cells = rows.map((row) => {
    if (row.problem !== undefined) return [row.name, row.problem.slice(0, 60)];
    const times = [row.ms, row.min, row.max].map(number);
    return [row.name, ...times, ...Object.values(columns).map((cell) => cell(row))];
  });
  console.log(`${textTable([header, ...cells])}\n`);
}

function printShares(step) {
  const total = step?.shares?.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  if (!total) return;
  const row = ({ label, milliseconds }) => [
    label,
    number(milliseconds),
    `${((100 * milliseconds) / total).toFixed(1)} %`,
  ];
  console.log(`${textTable([[`${step.name}: dispatches`, "ms", "share"], ...step.shares.map(row)])}\n`);
}

/** The start of median length. */
const middle = (starts) => [...starts].sort((a, b) => a.stepped - b.stepped)[starts.length >> 1];
