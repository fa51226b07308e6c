// Started by run.sh of the archive: runs Weft's benchmark, the other libraries and PyTorch on the machine's Vulkan driver;
// writes tables as Markdown and all figures as JSON. Options: --parts a,b of suite, kernels, steps, torch; --out DIR.
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { isHardware } from "../choose-driver.mjs";
import { number, textTable } from "../format.mjs";
import { startContender } from "../peers/contender.mjs";
import { driverEnvironment } from "../peers/driver.mjs";
import { compareKernels, kernelTable } from "../peers/kernels.mjs";
import { goldenLosses } from "../peers/problem.mjs";
import { describeMachine, formatTable } from "../peers/report.mjs";
import { compareSteps } from "../peers/steps.mjs";
import { perImageRises, plotSvg } from "../plot.mjs";
import { lowShares, suiteText } from "../print.mjs";
import { runSuite } from "../suite.mjs";

const LIBRARIES = ["weft", "jax-js", "tfjs"];
const ALL_PARTS = "suite,kernels,steps,torch";

const { values: options } = parseArgs({
  options: {
    parts: { type: "string", default: ALL_PARTS },
    only: { type: "string" },
    out: { type: "string", default: "results" },
  },
});
const parts = options.parts.split(",");
const environment = { ...driverEnvironment("env"), WEFT_BUILD: process.env.WEFT_BUILD };
const probe = startContender("weft", environment);
const adapter = await probe.ask("adapter");
await probe.ask("stop").catch(() => undefined);
console.log(`Adapter: ${adapter.description} (${isHardware(adapter) ? "hardware" : "software"})`);

const figures = { ...describeMachine([{ adapter }]) };
const sections = [];
mkdirSync(options.out, { recursive: true });
const file = (ending) => join(options.out, `${slug(adapter.description)}.${ending}`);

const work = { suite, kernels, steps, torch };
for (const part of parts) {
  const begun = performance.now();
  try {
    await work[part]();
  } catch (error) {
    show(part, `FAILED: ${error.stack}`);
  }
  console.log(`${part}: ${((performance.now() - begun) / 1000).toFixed(0)} s\n`);
  save();
}
process.exit(0);

async function suite() {
  const result = await runSuite({ environment, only: options.only, log: () => undefined });
  figures.suite = result;
  const rises = perImageRises(result.items).map((text) => `Cost per image rises with the batch: ${text}`);
  show("Weft by itself", [suiteText(result), ...rises].join("\n"));
  show("Kernels under half of the measured bound", lowShares(result).join("\n") || "none");
  writeFileSync(file("svg"), plotSvg(result));
}

async function kernels() {
  const settings = { libraries: LIBRARIES, environment, only: options.only, rounds: 5, roundMs: 100 };
  const result = await compareKernels({ ...settings, log: () => undefined });
  figures.kernels = result.rows;
  show("Single kernels beside other libraries", kernelTable(result));
}

async function steps() {
  figures.steps = [];
  for (const batch of isHardware(adapter) ? [64, 1024] : [64]) {
    const rows = await compareSteps({
      libraries: LIBRARIES,
      start: (library) => startContender(library, environment),
      batch,
      expected: goldenLosses(batch),
      rounds: 7,
      roundMs: 300,
      mostSteps: 200,
      log: console.log,
    });
    const settings = { batch, rounds: 7, ...describeMachine([{ adapter }]) };
    figures.steps.push({ batch, libraries: rows.map(({ contender, ...row }) => row) });
    show(`LeNet-5 step, batch ${batch}`, formatTable(settings, rows));
  }
}

function torch() {
  const python = [process.env.PYTHON, "python3", "/usr/bin/python3"]
    .filter(Boolean)
    .find((name) => spawnSync(name, ["-c", "import torch, numpy"], { stdio: "ignore" }).status === 0);
  if (python === undefined)
    return show("PyTorch", "not run: no Python here has torch and numpy (PYTHON names another)");
  const script = new URL("../peers/torch_networks.py", import.meta.url).pathname;
  const golden = JSON.stringify(goldenLosses(64));
  const { stdout, status } = spawnSync(python, [script, golden], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (status !== 0) throw new Error(`${python} ended with ${status}`);
  const result = JSON.parse(stdout.trim().split("\n").at(-1));
  figures.torch = result;
  const own = new Map(figures.suite?.items.map((item) => [item.name, item.ms]));
  const cell = ({ problem, ms } = {}) => problem?.slice(0, 40) ?? number(ms);
  const rows = result.rows.map(({ name, ...row }) => [
    name,
    own.has(name) && own.get(name) !== undefined ? number(own.get(name)) : "-",
    ...result.modes.map((mode) => cell(row[mode])),
  ]);
  return show(
    `PyTorch ${result.torch} on ${result.device}, ms per step`,
    textTable([["", "Weft", ...result.modes], ...rows]),
  );
}

function show(title, text) {
  sections.push(`## ${title}\n\n\`\`\`\n${text.trim()}\n\`\`\`\n`);
  console.log(`${title}\n${text}\n`);
}

function save() {
  const { date, cpu, node } = figures;
  const head = `# ${adapter.description}\n\n${date}, ${cpu}, Node ${node}, Vulkan through Dawn. Times are medians in milliseconds.\n`;
  writeFileSync(file("md"), [head, ...sections].join("\n"));
  writeFileSync(file("json"), `${JSON.stringify(figures, null, 1)}\n`);
}

function slug(text) {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "");
}
