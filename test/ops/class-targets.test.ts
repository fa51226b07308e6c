/** The op behind class losses: labels and probabilities, weights, smoothing, ignored rows, NaN and unknown labels. */
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autograd.ts";
import { input } from "../../src/graph/tensor.ts";
import { type ClassTargetsAttrs, classTargetsOp } from "../../src/ops/loss/class-targets.ts";
import { sum } from "../../src/ops/reduce/sum.ts";
import { checkOp, type OpCase } from "../support/check-op.ts";

const attrs: readonly (readonly [string, ClassTargetsAttrs])[] = [
  ["plain", { weighted: false, classWeighted: false, ignoreIndex: -100, labelSmoothing: 0 }],
  ["all options", { weighted: true, classWeighted: true, ignoreIndex: 1, labelSmoothing: 0.1 }],
  ["weights, smoothing of 1", { weighted: true, classWeighted: false, ignoreIndex: -1, labelSmoothing: 1 }],
];

const cases: OpCase[] = [];
for (const [N, C] of [
  [1, 1],
  [1, 7],
  [7, 3],
  [64, 10],
  [65, 5],
  [130, 257],
] as const) {
  for (const [name, a] of attrs) {
    const rows = [
      { shape: [N], data: Array.from({ length: N }, (_, n) => (n + 1) % 3) },
      { shape: [C], range: [0.5, 2] as const },
    ];
    // Labels of -1 and C are unknown; ties between logits go to the first.
    const labels = {
      shape: [N],
      dtype: "i32" as const,
      data: Array.from({ length: N }, (_, n) => ((n * 3) % (C + 2)) - 1),
    };
    const logits = { shape: [N, C], data: Array.from({ length: N * C }, (_, i) => (i * 5) % 11) };
    const build: OpCase["build"] = (...inputs) => classTargetsOp.apply(inputs, a);
    cases.push({ name: `labels [${N}, ${C}], ${name}`, inputs: [logits, labels, ...rows], build });
    cases.push({
      name: `probabilities [${N}, ${C}], ${name}`,
      inputs: [logits, { shape: [N, C], range: [0, 1] }, ...rows],
      build,
    });
  }
}
cases.push({
  name: "NaN is the largest",
  inputs: [
    { shape: [2, 3], data: [1, Number.NaN, 2, Number.NaN, 5, Number.NaN] },
    { shape: [2], dtype: "i32", data: [1, 2] },
  ],
  build: (x, y) => classTargetsOp.apply([x!, y!, input([1]), input([1])], attrs[0]![1]),
});
checkOp("classTargets", cases, { gradients: false });

describe("classTargets refuses", () => {
  const plain = attrs[0]![1];
  const [x, y, one] = [input([4, 3]), input([4], "i32"), input([1])];
  it.each([
    [
      "labels of another length",
      () => classTargetsOp.apply([x, input([3], "i32"), one, one], plain),
      /each of 4 rows/,
    ],
    [
      "probabilities of another shape",
      () => classTargetsOp.apply([x, input([3, 4]), one, one], plain),
      /shape of the logits/,
    ],
    [
      "class weights of another length",
      () => classTargetsOp.apply([x, y, one, input([4])], { ...plain, classWeighted: true }),
      /classWeights must have one value for each of 3 classes/,
    ],
    [
      "to differentiate by probabilities",
      () => {
        const target = input([4, 3]);
        return gradients(sum(classTargetsOp.one([x, target, one, one], plain)), [target]);
      },
      /class losses: targets, weights and class weights have no gradient/,
    ],
  ])("%s", (_, build, message) => {
    expect(build).toThrow(message);
  });
});
