/**
 * Attacks on training runs: kills `weft train` with SIGKILL at random moments and resumes it, destroys devices at random
 * moments during and between steps, and starts two processes on one run folder. Every attacked run must end with the bits
 * of an undisturbed run or with a refusal that says why. Exits with 1 if a run ended otherwise, or if the time limit cut
 * the attacks short.
 *
 * node bench/attack.mjs [--short] [--seed N] [--limit SECONDS] [--dist FOLDER]   after `npm run build`
 */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

const { values: flags } = parseArgs({
  options: {
    short: { type: "boolean" },
    seed: { type: "string" },
    limit: { type: "string" },
    dist: { type: "string" },
  },
});
const dist = resolve(flags.dist ?? join(import.meta.dirname, "../dist/node"));
const seed = Number(flags.seed ?? Date.now() % 100_000);
const [KILLS, LOSSES, PAIRS] = flags.short ? [4, 8, 3] : [30, 30, 20];
/** No attack starts after this time: with the last ones it keeps the whole run within 8 minutes. `--short` has no limit. */
const LIMIT_MS = 1000 * Number(flags.limit ?? (flags.short ? Number.POSITIVE_INFINITY : 440));

const weft = await import(join(dist, "index.js"));
const { openDevice } = await import(join(dist, "node.js"));
const random = new weft.Random(seed);
const between = (low, high) => low + random.uniform(0, 1) * (high - low);
const folder = mkdtempSync(join(tmpdir(), "weft-attack-"));
const began = performance.now();
const late = () => performance.now() - began > LIMIT_MS;
const wrong = [];
/** Kinds of attack that the time limit cut short: `12 of 20 done (two processes)`. */
const cut = [];
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

/** Prints what came of one kind of attack. */
function report(kind, done, wanted, outcome) {
  console.log(`${kind}: ${done} of ${wanted} done, ${outcome}`);
  if (done < wanted) cut.push(`${done} of ${wanted} done (${kind})`);
}

/** Kills each run up to three times, resumes it after each kill, and then lets it end. */
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
  report("kill -9", killed, KILLS, `${same} runs ended with the same bits`);
}

/** Lets two processes start or resume the same run at about the same time. */
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
      if (/already holds a run|is in use|lock|another process/i.test(stderr)) refused++;
      else wrong.push(`two processes, run ${tried}: ${stderr}`);
    }
    if (both.every(({ code }) => code !== 0) && !existsSync(join(folder, `${name}.safetensors`))) {
      await cli(["train", "--resume", name]);
    }
    if (existsSync(join(folder, `${name}.safetensors`)) && bytes(name).equals(whole.bytes)) same++;
    else wrong.push(`two processes, run ${tried}: other bits, or none`);
  }
  report("two processes", tried, PAIRS, `${refused} clear refusals, ${same} runs ended with the same bits`);
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

/** Uses every method that talks to the device, one after another, and calls `at` before each. */
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

/** Destroys a device per run: every other one after a random time, the rest at a random call of `at`. */
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
  report("device lost", lost, LOSSES, `${same} of ${tried} runs ended with the same results`);
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
if (cut.length > 0) console.log(`Cut short by the limit of ${LIMIT_MS / 1000} s: ${cut.join(", ")}`);
console.log(`${wrong.length} wrong, ${((performance.now() - began) / 1000).toFixed(0)} s`);
process.exitCode = wrong.length + cut.length > 0 ? 1 : 0;
