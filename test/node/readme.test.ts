/** The examples of README and docs/ run as they are printed; only the data is smaller and the package is this checkout. */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { afterAll, expect, it } from "vitest";
import { syntheticDigits } from "../../src/data/synthetic/digits.ts";
import {
  checkGradients,
  compare,
  gradients,
  type History,
  input,
  nn,
  ops,
  optim,
  parameter,
  type Tensor,
  Trainer,
} from "../../src/index.ts";
import { compile } from "../../src/node/cli/commands/compile.ts";
import { openDawn, openDevice } from "../../src/node/index.ts";
import type { AheadOfTimeTrainer } from "../../src/replay/index.ts";
import { documentedBlock, exampleFolder, loadExample } from "../support/documents.ts";

const folder = exampleFolder;
afterAll(() => rm(folder, { recursive: true, force: true }));

it("the twenty lines train and save", async () => {
  const code = await documentedBlock("ts", "datasets.mnist()");
  const file = `${folder}lenet5.safetensors`;
  const small = code
    .replace("import { nn,", "import { data, nn,")
    .replace("import { datasets, openDevice }", "import { openDevice }")
    .replace("await datasets.mnist()", "data.syntheticDigits({ train: 256, test: 64 })")
    .replace("epochs: 3", "epochs: 1")
    .replace('"lenet5.safetensors"', JSON.stringify(file));
  await loadExample("twenty-lines", small);
  expect((await readFile(file)).length).toBeGreaterThan(3 * 61_706 * 4);
});

it("the reader's own layer trains", async () => {
  const code = await documentedBlock("ts", "class ResidualBlock");
  const { ResidualBlock } = (await loadExample("residual", `${code}\nexport { ResidualBlock };`)) as {
    ResidualBlock: new () => nn.Module;
  };
  const device = await openDevice({ backend: "webgpu" });
  const { train, test } = syntheticDigits({ train: 1500, test: 300 });
  const model = nn.sequential(
    nn.conv2d(1, 8, 3, { stride: 2 }),
    nn.maxPool2d(2),
    new ResidualBlock(),
    nn.flatten(),
    nn.linear(8 * 6 * 6, 10),
  );
  const trainer = await Trainer.create(device, {
    model,
    loss: nn.crossEntropy(),
    optimizer: optim.adam({ learningRate: 1e-2 }),
    batchSize: 50,
  });
  expect([...trainer.parameters.keys()]).toContain("2.norm.weight");
  const { epochs } = await trainer.fit(train, { epochs: 3, validation: test });
  expect(epochs.at(-1)?.valAccuracy).toBeGreaterThan(0.7);
  await device.close();
});

it("the reader's own optimizer descends", async () => {
  const code = await documentedBlock("ts", "optim.defineOptimizer");
  const example = await loadExample("own-optimizer", `${code}\nexport { signum };`);
  const { signum } = example as { signum: optim.Optimizer };
  const device = await openDevice({ backend: "webgpu" });
  const p = parameter([3], [1, -1, 0.5]);
  const updates = signum.updates([p], gradients(ops.sum(ops.square(p)), [p]), signum.states([p]));
  const program = await device.compile({ outputs: [], updates });
  program.run(300);
  const left = await device.read(p);
  expect(Math.abs(left[0]!)).toBeLessThan(0.8);
  expect(Math.abs(left[1]!)).toBeLessThan(0.8);
  await device.close();
});

it("the loop without a trainer learns XOR", async () => {
  const code = (await documentedBlock("ts", "program.run(500)")).replace(
    "const [last]",
    "export const [last]",
  );
  const { last } = (await loadExample("own-loop", code)) as { last: number };
  expect(last).toBeLessThan(0.01);
});

it("the reader's own op has the right values and gradient", async () => {
  const code = await documentedBlock("ts", "const softsign =");
  const { softsign } = (await loadExample("own-op", `${code}\nexport { softsign };`)) as {
    softsign: (x: Tensor) => Tensor;
  };
  const x = input([5]);
  const device = await openDevice({ backend: "webgpu" });
  const values = new Map([[x, Float32Array.of(-3, -1, 0, 0.5, 4)]]);
  expect(await compare(device, { outputs: [softsign(x)] }, values)).toMatchObject({ ok: true });
  await device.close();
  const report = await checkGradients((t) => softsign(t as Tensor), [{ data: [-3, -1, 0.5, 4] }]);
  expect(report).toMatchObject({ ok: true });
});

it("training from files with augmentation runs", async () => {
  const code = await documentedBlock("ts", "data.shardedIdx");
  const { train } = syntheticDigits({ train: 300, test: 1 });
  const idx = (shape: readonly number[], values: Uint8Array) => {
    const header = new DataView(new ArrayBuffer(4 + 4 * shape.length));
    [0x0800 | shape.length, ...shape].forEach((word, i) => {
      header.setUint32(4 * i, word);
    });
    return Buffer.concat([new Uint8Array(header.buffer), values]);
  };
  await mkdir(folder, { recursive: true });
  const [images, labels] = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"];
  await writeFile(folder + images, idx([300, 28, 28], train.inputs.data as Uint8Array));
  await writeFile(folder + labels, idx([300], Uint8Array.from(train.labels)));
  const small = code
    .replace(`"${images}"`, JSON.stringify(folder + images))
    .replace(`"${labels}"`, JSON.stringify(folder + labels))
    .replace("8 * 2 ** 20", "2 * 128 * 788")
    .replace("epochs: 3", "epochs: 1")
    .replace("const trainer", "export const trainer");
  const { trainer } = (await loadExample("sharded", small)) as { trainer: Trainer };
  expect(trainer.steps).toBe(5);
});

it("the long run trains, and goes on from its checkpoints", async () => {
  const code = await documentedBlock("ts", "resumeFrom");
  const small = code
    .replace("import { metrics,", "import { data, metrics,")
    .replace("import { datasets, openDevice }", "import { openDevice }")
    .replace("await datasets.mnist()", "data.syntheticDigits({ train: 256, test: 64 })")
    .replace("evaluateEvery: 500", "evaluateEvery: 3")
    .replaceAll('"run"', JSON.stringify(`${folder}run`))
    .replace("const history", "export const history");
  const { history } = (await loadExample("long-run", small.replace("epochs: 20", "epochs: 1"))) as {
    history: History;
  };
  expect(history.epochs).toHaveLength(1);
  const again = (await loadExample("long-run-again", small.replace("epochs: 20", "epochs: 2"))) as {
    history: History;
  };
  expect(again.history.epochs[0]).toEqual(history.epochs[0]);
  expect(again.history.evaluations?.map((e) => e.step)).toEqual([3, 6]);
  expect(Object.keys(again.history.epochs[1]?.metrics ?? {})).toEqual(["top3", "confidence"]);
});

it("a run compiled ahead of time trains in a page's few lines", async () => {
  const code = await documentedBlock("ts", "openProgram");
  const file = `${folder}lenet5.program.json`;
  const { train, test } = syntheticDigits({ train: 400, test: 80, seed: 0 });
  await mkdir(folder, { recursive: true });
  const flags = { dataset: "synthetic", limit: 400, batchSize: 40, seed: 0, predict: 25 };
  expect(await compile("mlp", { ...flags, out: file, thisAdapter: true, json: true })).toBe(0);
  const dawn = await openDawn();
  Object.assign(globalThis, { page: { train, test, adapter: dawn.adapter, file } });
  const small = code
    .replace('await (await fetch("lenet5.program.json")).json()', 'JSON.parse(await readFile(file, "utf8"))')
    .replace("await navigator.gpu.requestAdapter()", "adapter")
    .replace("const { values }", "export const { values }")
    .replace("const trainer", "export const trainer")
    .replace("console.log(event)", "events.push(event)");
  const header = `import { readFile } from "node:fs/promises";
const { train, test, adapter, file } = (globalThis as any).page;
export const events: unknown[] = [];\n`;
  const { values, events, trainer } = (await loadExample("recorded", header + small)) as {
    values: Float32Array;
    events: { event: string; valAccuracy?: number }[];
    trainer: AheadOfTimeTrainer;
  };
  const accuracies = events.flatMap(({ event, valAccuracy }) => (event === "epoch" ? [valAccuracy] : []));
  expect(accuracies).toHaveLength(3);
  expect(accuracies[2]).toBeGreaterThan(0.6);
  const right = Array.from(test.labels).filter((label, i) => {
    const row = values.subarray(10 * i, 10 * i + 10);
    return row.indexOf(Math.max(...row)) === label;
  });
  expect(right.length / test.count).toBeCloseTo(accuracies[2] as number, 6);
  await trainer.backend.close();
  await dawn.close();
});
