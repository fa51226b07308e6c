// Weft's single kernels and whole networks: graphs compiled once and replayed, many runs in one submit.
import { readFileSync } from "node:fs";
import { ADAM_UPDATES } from "../../kernels/reference.mjs";
import { batchOf, CHECKED_STEPS, lossError, networks, trainingGraph } from "../../networks/networks.mjs";
import { workOf } from "../../networks/work.mjs";
import { importWeft } from "./weft-build.mjs";

const GOLDEN = new URL("../../networks/golden.json", import.meta.url);
const MOST_RUNS_PER_SUBMIT = 64;
/** Longest time of one submit: some adapters abort long submits. */
const SUBMIT_MS = 200;

/**
 * The interface of jax-js-kernels.mjs and tfjs-kernels.mjs too: `build` makes one kernel case ready. `network` is Weft's.
 * @param {{ gpu: GPU }} host
 * @returns {Promise<{ build(testCase: object, inputs: Float32Array[]): Promise<{
 *   run(k: number): Promise<void>,
 *   outputs(): Promise<Float32Array[]>,
 *   free(): void | Promise<void>,
 * }> }>} `run` carries the case out k times and waits until the device has finished; `outputs` carries it out as often as
 * the reference did (once, or Adam's updates from the start) and gives its results in NCHW and OIHW.
 */
export async function open({ gpu }) {
  const weft = await importWeft();
  const backend = await weft.GpuBackend.open(await gpu.requestAdapter());
  return {
    async build(testCase, inputs) {
      const graph = graphOf(testCase, weft);
      const program = await backend.compile({ outputs: graph.outputs, updates: graph.updates ?? [] });
      graph.inputs.forEach((t, i) => {
        if (backend.holds(t)) backend.write(t, inputs[i]);
      });
      return {
        ...sessionOf(program),
        async outputs() {
          program.run(graph.state === undefined ? 1 : ADAM_UPDATES);
          if (graph.state !== undefined) return [await backend.read(graph.state)];
          return Promise.all(graph.outputs.map((t) => program.read(t)));
        },
      };
    },

    async network(name, batch) {
      const network = networks[name];
      const begin = performance.now();
      const graph = trainingGraph(weft, { ...network, model: network.model(weft), batch });
      const program = await backend.compile(graph.spec);
      const compileMs = performance.now() - begin;
      const { images, labels } = batchOf(network.input, batch);
      backend.write(graph.x, images);
      backend.write(graph.labels, labels);
      const losses = [];
      for (let i = 0; i < CHECKED_STEPS; i++) {
        program.run();
        losses.push((await program.read(graph.loss))[0]);
      }
      const { dispatches, pipelines, stateBytes, slotBytes } = program.describe();
      const worst = lossError(name, batch, losses, JSON.parse(readFileSync(GOLDEN, "utf8")));
      return {
        ...sessionOf(program),
        about: {
          compileMs,
          losses,
          worst,
          dispatches,
          pipelines,
          stateBytes,
          slotBytes,
          // Builds from before program images have the plan in the program.
          work: workOf(program.plan ?? backend.plan(graph.spec)),
        },
      };
    },
  };
}

function sessionOf(program) {
  let perSubmit = 1;
  return {
    async run(k) {
      await program.ready?.();
      const begin = performance.now();
      for (let done = 0; done < k; done += perSubmit) program.run(Math.min(perSubmit, k - done));
      await program.finished();
      const fitting = Math.floor((SUBMIT_MS * k) / (performance.now() - begin));
      perSubmit = Math.max(1, Math.min(MOST_RUNS_PER_SUBMIT, fitting));
    },
    profile: () => program.profile(),
    free: () => program.destroy(),
  };
}

/** Leaves in the order of the case's inputs, and what is computed from them. */
function graphOf(testCase, weft) {
  const { ops, gradients, input, state, optim } = weft;
  const { kind, pass } = testCase;
  const leaves = testCase.inputs.map((shape, i) => input(shape, "f32", `input${i}`));
  const [a, b, c, d] = leaves;
  const result = (...outputs) => ({ inputs: leaves, outputs });
  if (kind === "matmul") {
    const { transposeA, transposeB } = testCase;
    return result(ops.matmul(a, b, { transposeA, transposeB }));
  }
  if (kind === "conv2d") {
    const convolve = (x, weight) => ops.conv2d(x, weight, undefined, { padding: testCase.padding });
    if (pass === "forward") return result(convolve(a, b));
    // A convolution is linear in the operand that is differentiated, so its values are never read.
    const { n, c: channels, h, w, out, kernel } = testCase;
    if (pass === "input") {
      const x = input([n, channels, h, w]);
      return result(...gradients(convolve(x, b), [x], a));
    }
    const weight = input([out, channels, kernel, kernel]);
    return result(...gradients(convolve(a, weight), [weight], b));
  }
  if (kind === "pool") {
    const y = testCase.mode === "max" ? ops.maxPool2d(a, 2) : ops.avgPool2d(a, 2);
    return pass === "forward" ? result(y) : result(...gradients(y, [a], b));
  }
  if (kind === "softmax") {
    const y = ops.softmax(a);
    return pass === "forward" ? result(y) : result(...gradients(y, [a], b));
  }
  if (kind === "batchNorm") {
    const { y } = ops.batchNorm(a, { weight: b, bias: c, eps: testCase.eps });
    return pass === "forward" ? result(y) : result(...gradients(y, [a, b, c], d));
  }
  const p = state([testCase.size]);
  const step = state([1], 0, "u32");
  const { learningRate, beta1, beta2, epsilon: eps } = testCase;
  const adam = optim.adam({ learningRate, betas: [beta1, beta2], eps });
  const updates = adam.updates([p], [b], adam.states([p]), step);
  // `record` also increments the step counter.
  return {
    inputs: [p, b],
    outputs: [],
    updates: [...updates, ops.record(state([1, 1]), step, [ops.zeros([])])],
    state: p,
  };
}
