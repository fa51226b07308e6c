// Which op runs which kernel on which kind of adapter. Nothing here is written by hand: the graphs that `weft doctor` checks and
// the training steps of the benchmark networks are planned for each adapter profile, with every variant forced in turn.
import { gradients } from "../../src/autograd.ts";
import { leavesOf } from "../../src/doctor/check.ts";
import { Graph } from "../../src/graph/graph.ts";
import * as weft from "../../src/index.ts";
import { adapterProfile } from "../../src/runtime/gpu/adapter-profile.ts";
import { planForGpu } from "../../src/runtime/gpu/backend.ts";
import { networks, trainingGraph } from "../networks/networks.mjs";

const limits = { maxComputeInvocationsPerWorkgroup: 256, maxComputeWorkgroupStorageSize: 16384 };

/** The adapter profiles that the catalogue tells apart, by the names that it gives them. */
export const profiles = {
  GPU: { software: false, subgroupSize: 32, limits },
  portable: { software: false, subgroupSize: 0, limits },
  SwiftShader: { software: true, subgroupSize: 4, limits },
  lavapipe: { software: true, subgroupSize: 8, limits },
  "software without subgroups": { software: true, subgroupSize: 0, limits },
};

/** Networks whose training steps are planned, at the batch size that the benchmark compares. */
const STEPS = {
  lenet5: ["LeNet-5", 64],
  "mlp-512": ["MLP", 64],
  vgg: ["VGG", 16],
  resnet20: ["ResNet-20", 16],
};

/**
 * @typedef {object} Use
 * @property {import("../../src/graph/kernel.ts").Kernel} kernel
 * @property {string} op
 * @property {string} profile
 * @property {string | undefined} variant the forced variant; undefined where the op chose by itself
 * @property {string | undefined} network the benchmark network whose step it is part of
 */

/** @returns {Use[]} */
export function allUses() {
  const uses = [];
  for (const [profile, traits] of Object.entries(profiles)) {
    const collect = (spec, options, extra) =>
      uses.push(...usesOf(spec, adapterProfile(traits), options, { profile, ...extra }));
    for (const check of doctorChecks()) {
      for (const spec of specsOf(check)) {
        const fuse = check.fused === true;
        for (const variants of [{}, ...forced(check, spec)]) collect(spec, { variants, fuse }, {});
      }
    }
    for (const spec of largeSpecs()) collect(spec, { fuse: true }, {});
    for (const [name, [network, batch]] of Object.entries(STEPS)) {
      const { input, model } = networks[name];
      collect(trainingGraph(weft, { input, model: model(weft), batch }).spec, {}, { network });
    }
  }
  return uses;
}

function usesOf(spec, env, options, common) {
  const { kernels } = planForGpu(spec, env, options);
  return [...kernels].flatMap(([node, plan]) =>
    plan.kernels.map((kernel) => ({
      ...common,
      op: node.op.name,
      variant: options.variants?.[node.op.name],
      kernel,
    })),
  );
}

/** What `weft doctor` checks, from all files of its cases. */
function doctorChecks() {
  const modules = import.meta.glob("/src/doctor/cases/*.ts", { eager: true });
  const exported = Object.values(modules).flatMap((module) => Object.values(module).flat());
  return exported.filter((check) => typeof check?.op === "string" && Array.isArray(check.cases));
}

function specsOf(check) {
  return check.cases.map((c) => {
    const described = leavesOf(c);
    const leaves = described.map(({ shape, dtype = "f32", state }, i) =>
      state ? weft.state(shape, 0, dtype, `state${i}`) : weft.input(shape, dtype, `input${i}`),
    );
    const made = c.build(...leaves);
    const { outputs = [], updates = [] } = "node" in made ? { outputs: [made] } : made;
    const wrt = leaves.filter((t, i) => t.dtype === "f32" && described[i].gradient !== false);
    const [first] = outputs;
    const differentiable = check.gradients !== false && first?.dtype === "f32" && wrt.length > 0;
    const grads = differentiable ? gradients(first, wrt, weft.input(first.shape, "f32", "seed")) : [];
    return { outputs: [...outputs, ...grads], updates };
  });
}

/** As many rounds of forced variants as the op with most of them has. */
function forced({ force }, spec) {
  if (force === false) return [];
  const ops = (force ?? [...new Set(new Graph(spec).nodes.map(({ op }) => op))]).filter(
    (op) => op.variants.length > 0,
  );
  const rounds = Math.max(0, ...ops.map((op) => op.variants.length));
  return Array.from({ length: rounds }, (_, round) =>
    Object.fromEntries(ops.map((op) => [op.name, op.variants[round % op.variants.length]])),
  );
}

/** Shapes beyond the doctor's, for kernels that only large tensors take. */
function largeSpecs() {
  const { input, ops, state } = weft;
  const x = input([4096, 1000]);
  const labels = input([4096], "i32");
  const image = input([32, 16, 64, 64]);
  const square = (size) => ops.matmul(input([size, size]), input([size, size]));
  const outputs = [
    square(256),
    square(2048),
    ops.matmul(input([4, 512]), input([512, 4096])),
    ops.sum(x),
    ops.max(x),
    ops.prod(x),
    ops.norm(x),
    ops.cumsum(x, 1),
    ops.argmax(x, 1),
    ops.variance(x, { axes: 0 }),
    ops.softmax(x),
    ops.crossEntropy(x, labels).loss,
    ops.crossEntropy(x, input([4096, 1000]), { labelSmoothing: 0.1 }).loss,
    ops.mse(x, input([4096, 1000])),
    ops.maxPool2d(image, 2),
    ops.avgPool2d(image, 2),
    ops.take(x, input([100_000], "i32")),
  ];
  const ring = state([4, 40]);
  const updates = [ops.record(ring, state([1], 0, "u32"), [input([40])])];
  const wrt = [x, image];
  const total = outputs
    .filter((t) => t.dtype === "f32")
    .map((t) => ops.sum(t))
    .reduce((a, b) => ops.add(a, b));
  return [{ outputs: [...outputs, ...gradients(total, wrt)], updates }];
}
