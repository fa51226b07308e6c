/** Flags of `weft train` that go with each other or don't, and what the recipe's loss and data allow. No process. */
import { expect, it } from "vitest";
import { syntheticDigits } from "../../src/data/synthetic/digits.ts";
import { type TrainFlags, trainCommand } from "../../src/node/cli/options/train-options.ts";
import { settingsOf } from "../../src/node/cli/training/settings.ts";
import { recipe } from "../../src/recipes/index.ts";
import { optimizerNames, scheduleNames } from "../../src/recipes/update-names.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";

const { train } = syntheticDigits({ train: 40, test: 1 });
/** For the recipe digits-mlp-ce, which is much smaller: the middle of every third pixel. */
const small = {
  ...train,
  inputs: {
    data: Uint8Array.from({ length: 40 * 64 }, (_, i) => {
      const [sample, y, x] = [Math.floor(i / 64), Math.floor((i % 64) / 8), i % 8];
      return train.inputs.data[sample * 784 + (3 * y + 3) * 28 + 3 * x + 3] as number;
    }),
    shape: [1, 8, 8],
    scale: 1 / 255,
  },
};

function flagsOf(words: string): TrainFlags {
  const command = trainCommand().exitOverride();
  command.parse(words.split(" ").filter(Boolean), { from: "user" });
  return command.opts<TrainFlags>();
}

const settings = (name: string, words: string) => settingsOf(recipe(name), train, flagsOf(words));
const smallSettings = (words: string) => settingsOf(recipe("digits-mlp-ce"), small, flagsOf(words));

it.each(optimizerNames)("trains with %s, and the loss falls", async (optimizer) => {
  const { trainer: options, fit } = smallSettings(`--optimizer ${optimizer} --epochs 6 --batch-size 10`);
  const trainer = await Trainer.create(new CpuBackend(), options);
  const { epochs } = await trainer.fit(small, fit);
  expect(epochs.at(-1)?.loss).toBeLessThan(epochs[0]?.loss as number);
});

it.each(scheduleNames)("schedule %s: the rates of a run of 40 updates", async (schedule) => {
  const rule = `--optimizer sgd --lr 0.01 --schedule ${schedule} --warmup 8`;
  const { trainer: options, fit } = smallSettings(`${rule} --steps 48 --batch-size 1`);
  const trainer = await Trainer.create(new CpuBackend(), options);
  const rates: number[] = [];
  await trainer.fit(small, {
    ...fit,
    onSteps: (_, steps) => rates.push(...steps.map((s) => s.learningRate ?? 0)),
  });
  expect(rates).toHaveLength(48);
  expect(rates[0]).toBe(0);
  for (let i = 1; i < 8; i++) expect(rates[i]).toBeGreaterThan(rates[i - 1] as number);
  const after = rates.slice(8);
  expect(Math.max(...after)).toBeCloseTo(0.01, 6);
  const last = { constant: 1, linear: 1 / 40, cosine: 0.002, oneCycle: 0, steps: 0.01, exponential: 0.0112 };
  expect((after.at(-1) as number) / 0.01).toBeCloseTo(last[schedule], 2);
});

it("balances classes by their numbers", async () => {
  const uneven = { ...train, labels: train.labels.map((label, i) => (i < 30 ? 0 : label)) };
  const loss = settingsOf(recipe("mlp"), uneven, flagsOf("--class-weights balanced")).trainer.loss;
  const plain = recipe("mlp").loss();
  expect(loss.classes).toBe(true);
  expect(loss.reweighted).toBeTypeOf("function");
  const of = async (which: typeof loss) => {
    const trainer = await Trainer.create(new CpuBackend(), { ...settings("mlp", "").trainer, loss: which });
    return (await trainer.evaluate(uneven)).loss;
  };
  expect(await of(loss)).not.toBeCloseTo(await of(plain), 4);
});

it.each([
  ["mlp", "--epochs 2 --steps 3", /--epochs and --steps: give one of them/],
  ["mlp", "--monitor valLoss", /--monitor and --min-delta: go with --early-stopping or --keep-best/],
  [
    "mlp",
    "--ema 0.9 --keep-best",
    /--ema: the averaged weights are saved, so there is no best epoch to keep/,
  ],
  ["mlp", "--optimizer lion --momentum 0.9", /lion: has no momentum/],
  ["mlp", "--warmup 100 --steps 10", /the warm-up of 100 updates is longer than the run of 10/],
  ["boston-linear", "--label-smoothing 0.1", /go with cross-entropy of classes only/],
])("%s %s: refused", (name, words, message) => {
  expect(() => settings(name, words)).toThrow(message);
});

it("measures what the data and the loss are made for", () => {
  const names = (name: string, words: string) => settings(name, words).trainer.metrics?.map((m) => m.name);
  expect(names("mlp", "")).toBeUndefined();
  expect(names("mlp", "--metrics")).toContain("top5");
  expect(names("mlp", "--keep-best --monitor valF1")).toContain("f1");
  const { classes: _, classNames: __, ...values } = train;
  const binary = { ...values, labels: new Float32Array(40), labelShape: [1] };
  const of = (name: string) => settingsOf(recipe(name), binary, flagsOf("--metrics")).trainer.metrics;
  expect(of("usps-1v8")?.map((m) => m.name)).toContain("confusionMatrix");
  expect(of("boston-linear")?.map((m) => m.name)).toEqual(["mse", "mae", "r2"]);
});
