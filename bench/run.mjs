#!/usr/bin/env node
// `npm run bench`: builds the library and measures Weft on this machine. Every result is checked before a time is shown.
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { compareBuilds } from "./against.mjs";
import { buildRevision, libraryBuild, pageBuild } from "./build.mjs";
import { chooseDriver } from "./choose-driver.mjs";
import { driverEnvironment } from "./peers/driver.mjs";
import { describeMachine } from "./peers/report.mjs";
import { perImageRises, plotSvg } from "./plot.mjs";
import { suiteText } from "./print.mjs";
import { measureSize } from "./size/size.mjs";
import { runSuite } from "./suite.mjs";

const HELP = `npm run bench -- [options]
  --driver swiftshader|env   Vulkan driver: SwiftShader, or what VK_ICD_FILENAMES or the system says (default: hardware
                             if there is any, else what VK_ICD_FILENAMES says, else SwiftShader)
  --only a,b                 only rows whose name contains one of these texts, e.g. "lenet5,matmul 512,first step"
  --json FILE                write all figures as JSON, and cost against batch size and width as FILE.svg
  --against REV              compare this tree with another revision in paired runs, for the rows of --only
  --pairs N                  number of pairs for --against (15)`;

const { values: options } = parseArgs({
  options: {
    driver: { type: "string" },
    only: { type: "string" },
    json: { type: "string" },
    against: { type: "string" },
    pairs: { type: "string", default: "15" },
    help: { type: "boolean" },
  },
});
if (options.help) {
  console.log(HELP);
  process.exit(0);
}

const begun = performance.now();
const driver = await chooseDriver(options.driver);
const environment = { ...driverEnvironment(driver), WEFT_BUILD: await libraryBuild() };
const log = process.stderr.isTTY ? (text) => process.stderr.write(`\r\x1b[K${text}`) : () => undefined;
process.exit(options.against === undefined ? await measure() : await compare(options.against));

async function measure() {
  const result = await runSuite({ environment, only: options.only, log });
  const measuresSize = options.only?.includes("size") ?? true;
  log("size of the minimal program");
  // Needs Chromium, which not every system can run. The other figures do not depend on it.
  const size = measuresSize
    ? await pageBuild()
        .then(measureSize)
        .catch(({ message }) => ({ problem: message }))
    : undefined;
  log("");
  console.log(suiteText(result, size));
  const rises = perImageRises(result.items);
  for (const rise of rises) console.log(`Cost per image rises with the batch: ${rise}`);
  const { date, node, cpu, loadAverage, versions } = describeMachine([]);
  const seconds = (performance.now() - begun) / 1000;
  console.log(`${cpu}, Node ${node}, load ${loadAverage[0]}; took ${seconds.toFixed(0)} s`);
  if (options.json !== undefined) {
    const machine = { date, node, cpu, loadAverage, versions, driver, seconds };
    writeFileSync(options.json, `${JSON.stringify({ ...machine, ...result, size, rises }, null, 1)}\n`);
    writeFileSync(`${options.json.replace(/\.json$/, "")}.svg`, plotSvg(result));
  }
  const parts = [...result.items, result.firstStep, result.memory, size];
  return parts.some((part) => part?.problem !== undefined) ? 1 : 0;
}

async function compare(revision) {
  const { build, remove } = await buildRevision(revision);
  try {
    const old = { ...environment, WEFT_BUILD: build };
    const pairs = Number(options.pairs);
    if (!(Number.isInteger(pairs) && pairs > 0))
      throw new Error(`--pairs: expected a whole number, got ${options.pairs}`);
    const settings = { now: environment, old, revision, only: options.only, pairs, log };
    const result = await compareBuilds(settings);
    if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(result, null, 1)}\n`);
    return result.rows.every(({ problem }) => problem === undefined) ? 0 : 1;
  } finally {
    await remove();
  }
}
