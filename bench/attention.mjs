// `npm run bench:attention`: a step, forward and backward, of fused attention against attention made of matmul and softmax, in
// turns. Results are compared first. Memory is what the program takes beside inputs and results.
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { libraryBuild } from "./build.mjs";
import { median } from "./format.mjs";
import { driverEnvironment } from "./peers/driver.mjs";
import { importWeft } from "./peers/libraries/weft-build.mjs";

const HELP = `npm run bench:attention -- [options]
  --driver swiftshader|env  Vulkan driver (swiftshader)
  --length 64,256,1024      sequence lengths
  --heads 4   --features 32 (of a head)   --tokens 1024 (of a batch)
  --full                    every query sees all keys (default: causal)
  --rounds 7`;

const { values: options } = parseArgs({
  options: {
    driver: { type: "string", default: "swiftshader" },
    length: { type: "string", default: "64,256,1024" },
    heads: { type: "string", default: "4" },
    features: { type: "string", default: "32" },
    tokens: { type: "string", default: "1024" },
    rounds: { type: "string", default: "7" },
    full: { type: "boolean", default: false },
    help: { type: "boolean" },
  },
});

if (options.help) {
  console.log(HELP);
} else if (process.env.WEFT_BUILD === undefined) {
  const env = { ...driverEnvironment(options.driver), WEFT_BUILD: await libraryBuild() };
  execFileSync(process.execPath, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    env,
    stdio: "inherit",
  });
} else {
  await measure();
}

async function measure() {
  const weft = await importWeft();
  const device = await (await import(process.env.WEFT_BUILD.replace(/index\.js$/, "node.js"))).openDevice();
  console.log(
    `${device.name ?? ""}, ${options.heads} heads of ${options.features}, ${options.full ? "full" : "causal"}`,
  );
  console.log(
    "| T | fused: ms | composed: ms | fused / composed | fused: MiB | composed: MiB |\n| --- | --- | --- | --- | --- | --- |",
  );
  for (const T of options.length.split(",").map(Number)) console.log(await row(weft, device, T));
  await device.close();
}

async function row({ input, ops, gradients }, device, T) {
  const [heads, E, rounds] = [options.heads, options.features, options.rounds].map(Number);
  const N = Math.max(1, Math.round(Number(options.tokens) / T));
  const qkv = input([N, T, 3 * heads * E]);
  const dy = input([N, T, heads * E]);
  const made = [];
  for (const composed of [false, true]) {
    const y = ops.selfAttention(qkv, { heads, causal: !options.full, composed });
    const outputs = [y, ...gradients(y, [qkv], dy)];
    const begun = performance.now();
    const program = await device.compile({ outputs });
    made.push({ program, outputs, times: [], compileMs: performance.now() - begun });
  }
  for (const [i, t] of [qkv, dy].entries()) {
    // A golden-ratio sequence: evenly spread, no generator needed.
    device.write(
      t,
      Float32Array.from({ length: t.size }, (_, j) => 2 * (((j + i) * 0.6180339887498949) % 1) - 1),
    );
  }
  const values = [];
  for (const { program, outputs } of made) {
    program.run();
    values.push(await Promise.all(outputs.map((t) => program.read(t))));
  }
  const worst = values[0].reduce(
    (most, a, i) => a.reduce((m, v, j) => Math.max(m, Math.abs(v - values[1][i][j])), most),
    0,
  );
  if (!(worst < 1e-4)) return `| ${T} | WRONG by ${worst} |`;
  const time = async ({ program, outputs }, runs) => {
    const begun = performance.now();
    program.run(runs);
    await program.read(outputs[0]);
    return (performance.now() - begun) / runs;
  };
  const runs = Math.max(1, Math.round(100 / (await time(made[1], 2))));
  for (let round = 0; round < rounds; round++) {
    for (const m of made) m.times.push(await time(m, runs));
  }
  const [fused, composed] = made.map((m) => median(m.times));
  const ratio = median(made[0].times.map((ms, i) => ms / made[1].times[i]));
  const memory = made.map(({ program }) => (program.describe().slotBytes / 2 ** 20).toFixed(1));
  if (process.env.VERBOSE)
    console.log(
      "compile",
      made.map((m) => m.compileMs.toFixed(0)),
      runs,
    );
  return `| ${T} | ${fused.toFixed(2)} | ${composed.toFixed(2)} | ${ratio.toFixed(2)} | ${memory[0]} | ${memory[1]} |`;
}
