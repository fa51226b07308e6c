/**
 * Attacks on runs: `weft train` killed with SIGKILL at random moments and resumed, devices lost at random moments in and
 * outside the steps, two processes on one run folder. Each must end with the bits of an undisturbed run, or with a clear
 * refusal. Prints its counts; exit code 1 where something else happened.
 *
 * node bench/attack.mjs [--short] [--seed N] [--dist FOLDER]   after `npm run build`
 */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

const { values: flags } = parseArgs({
  options: { short: { type: "boolean" }, seed: { type: "string" }, dist: { type: "string" } },
});
const dist = resolve(flags.dist ?? join(import.meta.dirname, "../dist/node"));
const seed = Number(flags.seed ?? Date.now() % 100_000);
const [KILLS, LOSSES, PAIRS] = flags.short ? [4, 8, 3] : [30, 30, 20];
/** After that no further attack is begun, and what was left out is said. The short form, a test, does them all. */
const LIMIT_MS = flags.short ? Number.POSITIVE_INFINITY : 440_000;

const weft = await import(join(dist, "index.js"));
const { openDevice } = await import(join(dist, "node.js"));
const random = new weft.Random(seed);
const between = (low, high) => low + random.uniform(0, 1) * (high - low);
const folder = mkdtempSync(join(tmpdir(), "weft-attack-"));
const began = performance.now();
const late = () => performance.now() - began > LIMIT_MS;
const wrong = [];
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** `weft …`, killed after `killAfter` ms if that is given. */
function cli(words, killAfter) {
  const child = spawn(process.execPath, [join(dist, "cli.js"), ...words], { cwd: folder });
  const out = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text) => (out.stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text) => (out.stderr += text));
  const timer = killAfter === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), killAfter);
  return new Promise((done) => {
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      done({ code, signal, ...out });
    });
  });
}

const settings = [
  ...["train", "mlp", "--dataset", "synthetic", "--limit", "600", "--batch-size", "5", "--epochs", "2"],
  ...["--seed", "3", "--optimizer", "adamw", "--schedule", "cosine", "--warmup", "20"],
];
const start = (run) => [
  ...settings,
  "--run",
  run,
  "--checkpoint-steps",
  "15",
  "--save",
  `${run}.safetensors`,
];
const bytes = (run) => readFileSync(join(folder, `${run}.safetensors`));

async function undisturbed() {
  const begun = performance.now();
  const { code, stderr } = await cli(start("whole"));
  if (code !== 0) throw new Error(`attack: an undisturbed run failed: ${stderr}`);
  return { bytes: bytes("whole"), milliseconds: performance.now() - begun };
}

/** Kills runs at random moments; each is resumed until it has been killed up to three times, then to its end. */
async function kills(whole) {
  let [killed, same] = [0, 0];
  for (let run = 0; killed < KILLS && !late(); run++) {
    const name = `kill${run}`;
    for (let i = 0; i < 3 && killed < KILLS; i++) {
      const begun = existsSync(join(folder, name, "run.json"));
      const moment = between(50, whole.milliseconds * 0.8);
      const { signal } = await cli(begun ? ["train", "--resume", name] : start(name), moment);
      if (signal === "SIGKILL") killed++;
      else break;
    }
    const begun = existsSync(join(folder, name, "run.json"));
    const done = existsSync(join(folder, `${name}.safetensors`));
    const { code, stderr } = done
      ? { code: 0 }
      : await cli(begun ? ["train", "--resume", name] : start(name));
    if (code === 0 && bytes(name).equals(whole.bytes)) same++;
    else wrong.push(`kill -9, run ${run}: ${code === 0 ? "other bits" : stderr}`);
  }
  console.log(`kill -9: ${killed} of ${KILLS}, in runs of which ${same} ended with the same bits`);
}

/** Two processes begin or resume one run at once. */
async function pairs(whole) {
  let [same, refused, tried] = [0, 0, 0];
  for (; tried < PAIRS && !late(); tried++) {
    const name = `pair${tried}`;
    if (tried % 2 === 1) await cli(start(name), between(whole.milliseconds * 0.3, whole.milliseconds * 0.7));
    const words = existsSync(join(folder, name, "run.json")) ? ["train", "--resume", name] : start(name);
    const first = cli(words);
    await sleep(between(0, whole.milliseconds * 0.5));
    const both = await Promise.all([first, cli(words)]);
    for (const { code, stderr } of both) {
      if (code === 0) continue;
      if (/holds a run already|is in use|lock|another process/i.test(stderr)) refused++;
      else wrong.push(`two processes, run ${tried}: ${stderr}`);
    }
    if (both.every(({ code }) => code !== 0) && !existsSync(join(folder, `${name}.safetensors`))) {
      await cli(["train", "--resume", name]);
    }
    if (existsSync(join(folder, `${name}.safetensors`)) && bytes(name).equals(whole.bytes)) same++;
    else wrong.push(`two processes, run ${tried}: other bits, or none`);
  }
  console.log(
    `two processes: ${tried} of ${PAIRS} folders, ${refused} clear refusals, ${same} with the same bits`,
  );
}

const { train, test } = weft.data.syntheticDigits({ seed: 3, train: 400, test: 100 });

function work(device) {
  const { nn, optim } = weft;
  return weft.Trainer.create(device, {
    model: nn.sequential(nn.flatten(), nn.linear(784, 32), nn.relu(), nn.linear(32, 10)),
    loss: nn.crossEntropy(),
    optimizer: optim.adam(),
    batchSize: 8,
    seed: 5,
    onNotice: () => undefined,
  });
}

/** What is done, one after another; `at` is told before each. */
async function course(trainer, at) {
  await at("before the first fit");
  for await (const { event } of trainer.fit(train, { epochs: 2, validation: test }))
    await at(`fit: ${event}`);
  await at("between fits");
  await trainer.fit(train, { epochs: 1 });
  await at("before evaluate");
  const metrics = await trainer.evaluate(test);
  await at("before predict");
  const { values } = await weft.predict(trainer, test);
  await at("before a parameter is read");
  const bias = await trainer.parameter("3.bias");
  await at("before the file");
  return JSON.stringify([metrics, [...values], [...bias], [...(await trainer.toSafetensors())]]);
}

/** Devices destroyed at random moments: half after a random time, half at one of the places between the steps. */
async function losses() {
  const places = [];
  const device = await openDevice({ require: "webgpu", onNotice: () => undefined });
  const begun = performance.now();
  const expected = await course(await work(device), (place) => void places.push(place));
  const whole = performance.now() - begun;
  await device.close();
  let [lost, same, tried] = [0, 0, 0];
  for (; lost < LOSSES && !late(); tried++) {
    const first = await openDevice({ require: "webgpu", onNotice: () => undefined });
    const trainer = await work(first);
    const target = tried % 2 === 0 ? undefined : Math.floor(between(0, places.length));
    const moment = between(0, whole * 0.8);
    const destroy = () => trainer.backend.device.raw.destroy();
    const timer = target === undefined ? setTimeout(destroy, moment) : undefined;
    let n = 0;
    const what = target === undefined ? `after ${moment.toFixed(0)} ms` : places[target];
    try {
      const result = await course(trainer, () => {
        if (n++ === target) destroy();
      });
      if (result === expected) same++;
      else wrong.push(`device lost ${what}: other results`);
    } catch (error) {
      wrong.push(`device lost ${what}: ${error.message}`);
    }
    clearTimeout(timer);
    if (first.isLost) lost++;
    await first.close();
  }
  console.log(
    `device lost: ${lost} of ${LOSSES}, in ${tried} runs of which ${same} ended with the same results`,
  );
}

try {
  console.log(`seed ${seed}`);
  await losses();
  const whole = await undisturbed();
  await kills(whole);
  await pairs(whole);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
for (const line of wrong) console.log(`WRONG ${line}`);
console.log(`${wrong.length} wrong, ${((performance.now() - began) / 1000).toFixed(0)} s`);
process.exitCode = wrong.length > 0 ? 1 : 0;
