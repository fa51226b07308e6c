/** After `close`, all calls reject with a ClosedError, also those under way, and no other device is opened. */
import { describe, expect, it } from "vitest";
import { compare } from "../../src/checks/compare.ts";
import { state, type Tensor } from "../../src/graph/tensor.ts";
import { mul } from "../../src/ops/elementwise/arithmetic.ts";
import { sgd } from "../../src/optim/index.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { GpuBackend } from "../../src/runtime/gpu/backend.ts";
import { predict } from "../../src/train/predict/predict.ts";
import { resumeFrom } from "../../src/train/state/checkpoint-folder.ts";
import { loadStateDict, stateDict } from "../../src/train/state/state-dict.ts";
import { ClosedError, DeviceError } from "../../src/validation/errors.ts";
import { testGpu } from "../support/device.ts";
import { MemoryFiles } from "../support/memory-files.ts";
import { points, smallTrainer } from "../support/small-run.ts";

const data = points(32);
let reopened = 0;

const backends: readonly (readonly [string, () => Promise<Backend>])[] = [
  ["CPU reference", async () => new CpuBackend()],
  [
    "GPU",
    async () => {
      const adapter = (await (await testGpu()).requestAdapter()) as GPUAdapter;
      const reopen = async (): Promise<Backend> => {
        reopened++;
        return new CpuBackend();
      };
      return GpuBackend.open(adapter, { reopen });
    },
  ],
];

describe.each(backends)("on the %s", (_, openPlain) => {
  const open = async () => Object.assign(await openPlain(), { files: new MemoryFiles() });
  const averaging = () => sgd({ learningRate: 0.1, averageDecay: 0.5 });
  const graph = (): { x: Tensor; y: Tensor } => {
    const x = state([4], 1, "f32", "x");
    return { x, y: mul(x, 2) };
  };

  async function expectClosed(works: Readonly<Record<string, () => unknown>>): Promise<void> {
    for (const [name, work] of Object.entries(works)) {
      const error = await (async () => work())().then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error, name).toBeInstanceOf(ClosedError);
      expect(error, name).toBeInstanceOf(DeviceError);
      expect((error as Error).message, name).toMatch(/^device: was closed; open another one/);
    }
    expect(reopened).toBe(0);
  }

  it.each(["before anything was compiled", "after a fit"])("every use, %s", async (when) => {
    const backend = await open();
    const { x, y } = graph();
    const program = await backend.compile({ outputs: [y] });
    program.run();
    const trainer = await smallTrainer(backend, { optimizer: averaging() });
    if (when === "after a fit") {
      await trainer.fit(data, { checkpoints: { directory: "run" } });
      await trainer.evaluate(data);
      await predict(trainer, data);
    }
    const bytes = await trainer.toSafetensors();
    const dict = await stateDict(trainer);
    await backend.files.write("model", bytes);
    const closing = backend.close();
    const uses = {
      compile: () => backend.compile({ outputs: [graph().y] }),
      tune: () => backend.compile({ outputs: [graph().y] }, { tune: true }),
      write: () => backend.write(x, new Float32Array(4)),
      read: () => backend.read(x),
      readAll: () => backend.readAll([x]),
      run: () => program.run(),
      "read an output": () => program.read(y),
      finished: () => program.finished(),
      profile: () => program.profile?.() ?? program.run(),
      time: () => program.time?.(1) ?? program.run(),
      fit: () => trainer.fit(data),
      "fit, iterated": async () => {
        for await (const _ of trainer.fit(data)) expect.fail("an event");
      },
      evaluate: () => trainer.evaluate(data),
      "evaluate averages": () => trainer.evaluate(data, { average: true }),
      withAverages: () => trainer.withAverages(async () => 1),
      "profile a step": () => trainer.profile(data),
      predict: () => predict(trainer, data),
      save: () => trainer.save("other"),
      load: () => trainer.load("model"),
      fromSafetensors: () => trainer.fromSafetensors(bytes),
      stateDict: () => stateDict(trainer),
      loadStateDict: () => loadStateDict(trainer, dict),
      parameter: () => trainer.parameter("0.weight"),
      setLearningRate: () => trainer.setLearningRate(1),
      "compile over a trainer": () => trainer.compile({ outputs: [graph().y] }),
      trainProgram: () => trainer.trainProgram(data),
      create: () => smallTrainer(backend),
      "another trainer's resumeFrom": () =>
        when === "after a fit" ? resumeFrom(trainer, "run") : trainer.load("model"),
      compare: () => compare(backend, { outputs: [graph().y] }, new Map()),
    };
    // While it closes, and when it has.
    await expectClosed(uses);
    await closing;
    await backend.close();
    await expectClosed(uses);
    const { steps } = trainer;
    expect(steps).toBe(when === "after a fit" ? 4 : 0);
    expect(backend.files.files.has("other")).toBe(false);
  });

  it("a fit, an evaluation, a program being compiled", async () => {
    for (const event of ["start", "progress", "epoch", "evaluation"]) {
      const backend = await open();
      const trainer = await smallTrainer(backend);
      const callbacks = [
        async (heard: { event: string }) => {
          if (heard.event === event) await backend.close();
        },
      ];
      const options = { epochs: 9, validation: points(24), evaluateEvery: 3, callbacks };
      await expectClosed({ [event]: () => trainer.fit(data, options) });
    }
    const backend = await open();
    const trainer = await smallTrainer(backend);
    // Caught at once: it may be refused while the fit is still being waited for.
    const compiling = backend.compile({ outputs: [graph().y] }).catch((error: unknown) => error);
    const run = trainer.fit(data, { epochs: 10_000 });
    await new Promise((resolve) => setTimeout(resolve, 20));
    const evaluation = trainer.evaluate(data);
    const [first, second] = [backend.close(), backend.close()];
    const ended = await Promise.allSettled([run, evaluation]);
    for (const end of ended)
      await expectClosed({ [end.status]: () => end.status === "rejected" && Promise.reject(end.reason) });
    const compiled = await compiling;
    if (compiled instanceof Error) expect(compiled).toBeInstanceOf(ClosedError);
    await first;
    await second;
    const other = await open();
    // The CPU reference has it at once.
    const late = other.compile({ outputs: [graph().y] }).then((program) => program.run());
    const closed = other.close();
    await expectClosed({ compile: () => late });
    await closed;
  });
});
