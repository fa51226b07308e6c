/**
 * The GEMM family: every tile with every operand and every epilogue that goes with it, against the CPU reference, for results
 * one row and one column smaller than a tile, as large, and larger, and sums that are and are not whole steps.
 */
import { describe, it } from "vitest";
import { convBlockBackwardOp, convBlockOp } from "../../src/fusion/conv-block.ts";
import { convAttrs } from "../../src/geometry/conv.ts";
import { type Data, sizeOf } from "../../src/graph/spec.ts";
import { input, type Tensor } from "../../src/graph/tensor.ts";
import { ACTIVATION, ADDED } from "../../src/kernels/activation-codes.ts";
import { TILE_VARIANTS } from "../../src/kernels/gemm/tiles.ts";
import { Random } from "../../src/numbers/random.ts";
import {
  type Conv2dOptions,
  conv2dBackwardInputOp,
  conv2dBackwardWeightOp,
  conv2dOp,
} from "../../src/ops/conv/conv2d.ts";
import { linearBackwardOp, linearOp } from "../../src/ops/linalg/linear.ts";
import { matmul } from "../../src/ops/linalg/matmul.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";
import { expectClose } from "../support/close.ts";
import { inPage } from "../support/in-page.ts";

/** Rows and columns of each tile, and a K that is a whole number of its steps. */
async function sizesOf(tile: string): Promise<[rows: number, columns: number, K: number]> {
  const lanes = (await gpuBackend()).device.subgroupSize || 4;
  const sizes: Record<string, [number, number, number]> = {
    subgroup: [16, 4 * lanes, 6],
    register: [8, 64, 8],
    skinny: [4, 32, 8],
    sharedMemory: [64, 64, 32],
    smallSharedMemory: [32, 32, 32],
  };
  return sizes[tile]!;
}

/** Leaves with their values. */
class Leaves {
  readonly data = new Map<Tensor, Float32Array>();
  readonly #random = new Random(17);

  leaf(...shape: number[]): Tensor {
    const tensor = input(shape);
    const draw = () => 2 * this.#random.uniform() - 1;
    this.data.set(tensor, Float32Array.from({ length: sizeOf(shape) }, draw));
    return tensor;
  }

  /** Like the output of relu: zero half of the time. */
  saved(...shape: number[]): Tensor {
    const tensor = this.leaf(...shape);
    this.data.set(
      tensor,
      this.data.get(tensor)!.map((v) => Math.max(0, v)),
    );
    return tensor;
  }

  async values(backend: Backend, outputs: readonly Tensor[], variants: Readonly<Record<string, string>>) {
    const program = await backend.compile({ outputs }, { variants, fuse: false });
    for (const [tensor, values] of this.data) if (backend.holds(tensor)) backend.write(tensor, values);
    program.run();
    const values: Data[] = [];
    for (const t of outputs) values.push(await program.read(t));
    return values;
  }
}

/**
 * Tiles with barriers take a second to compile on software adapters, for every flag anew: their ops take turns with the
 * sizes, so that each op and each size is checked. A page checks every third of them, beyond the tile.
 */
const isSlow = (tile: string) => /sharedMemory/i.test(tile);

/** Compares all that `make` builds at three sizes around the tile; of slow tiles each op at one, from the `first` size on. */
async function check(
  tile: string,
  make: (leaves: Leaves, M: number, N: number, K: number) => (readonly [string, Tensor])[],
  first = 0,
) {
  const [rows, columns, steps] = await sizesOf(tile);
  const names = [
    "matmul",
    "linear",
    "linearBackward",
    "conv2d",
    "conv2dBackwardInput",
    "conv2dBackwardWeight",
  ];
  const forced = Object.fromEntries([...names, "convBlock", "convBlockBackward"].map((op) => [op, tile]));
  const sizes = [
    [rows - 1, columns - 1, steps + 1],
    [rows, columns, steps],
    [rows + 1, columns + 1, steps - 1],
  ] as const;
  for (const [turn, [M, N, K]] of sizes.entries()) {
    const leaves = new Leaves();
    const all = make(leaves, M, N, K);
    const nodes = [...new Set(all.map(([, { node }]) => node))];
    const made = all.filter(([, { node }]) => {
      const at = nodes.indexOf(node);
      if (!isSlow(tile)) return true;
      return inPage ? turn === 2 && at % 3 === 0 : (at + first) % 3 === turn;
    });
    if (made.length === 0) continue;
    const outputs = made.map(([, tensor]) => tensor);
    const expected = await leaves.values(new CpuBackend({ bits: 64 }), outputs, {});
    const actual = await leaves.values(await gpuBackend(), outputs, forced);
    made.forEach(([name, { shape }], i) => {
      expectClose(`${name}, ${M} x ${N} x ${K}`, actual[i]!, expected[i]!, shape, { atol: 1e-5 });
    });
  }
}

const both = [false, true];

describe.each(TILE_VARIANTS)("%s tile", (tile) => {
  it("with matrices, transposed or not, and batches", () =>
    check(tile, (leaves, M, N, K) =>
      both.flatMap((transposeA) =>
        both.flatMap((transposeB) => {
          const operands = (...batch: number[]): [Tensor, Tensor] => [
            leaves.leaf(...batch, ...(transposeA ? [K, M] : [M, K])),
            leaves.leaf(...batch.slice(1), ...(transposeB ? [N, K] : [K, N])),
          ];
          const name = `${transposeA ? "Aᵀ" : "A"} ${transposeB ? "Bᵀ" : "B"}`;
          const one = [name, matmul(...operands(), { transposeA, transposeB })] as const;
          // Batches say where products begin, whatever is transposed.
          return transposeA === transposeB
            ? [one]
            : [one, [`batch of ${name}`, matmul(...operands(2, 3), { transposeA, transposeB })] as const];
        }),
      ),
    ));

  it("with a bias, each activation, what comes before it, and a residual", () =>
    check(tile, (leaves, M, N, K) => {
      const [x, w, b, r] = [leaves.leaf(M, K), leaves.leaf(N, K), leaves.leaf(N), leaves.leaf(M, N)];
      const { none, gelu } = ACTIVATION;
      return [
        ["no bias", linearOp.one([x, w], { activation: none })],
        ["residual", linearOp.one([x, w, b, r], { activation: none, residual: true })],
        ["residual, no bias", linearOp.one([x, w, r], { activation: gelu, residual: true })],
        ...linearOp
          .apply([x, w, b, r], { activation: gelu, saves: true, residual: true })
          .map((t, i) => [`all, result ${i}`, t] as const),
        ...Object.entries(ACTIVATION).map(
          ([name, activation]) => [`bias, ${name}`, linearOp.one([x, w, b], { activation })] as const,
        ),
      ];
    }));

  it("with a linear layer's gradients and each activation's gradient", () =>
    check(tile, (leaves, N, IN, OUT) => {
      const [x, w, dy] = [leaves.leaf(N, IN), leaves.leaf(OUT, IN), leaves.leaf(N, OUT)];
      const saved = leaves.saved(N, IN);
      const all = { needsX: true, needsW: true, needsB: true };
      const some = ["needsX", "needsW", "needsB"].map((need, i) => ({
        ...{ needsX: false, needsW: false, needsB: false },
        [need]: true,
        index: i,
      }));
      return [
        ...Object.entries({ ...ACTIVATION, sum: ADDED }).flatMap(([name, extra]) => {
          const inputs = extra === ACTIVATION.none ? [x, w, dy] : [x, w, dy, saved];
          const made = linearBackwardOp.apply(inputs, { extra, ...all });
          return made.map((t, i) => [`${name}, gradient ${i}`, t] as const);
        }),
        ...some.map(({ index, ...needs }) => {
          const made = linearBackwardOp.apply([x, w, dy], { extra: 0, ...needs });
          return [`only gradient ${index}`, made[index]!] as const;
        }),
      ];
    }));

  // Channels of a group are taken one, two or four at a time.
  const convolutions: readonly { readonly channels: number; readonly options: Conv2dOptions }[] = [
    { channels: 4, options: { padding: [0, 1] } },
    { channels: 2, options: { padding: [1, 0], stride: [1, 2], groups: 2 } },
    { channels: 3, options: { padding: [0, 2], dilation: [1, 2] } },
  ];

  it.each(convolutions)("with a convolution and its gradients, %j", ({ channels, options }) => {
    const first = convolutions.findIndex((c) => c.channels === channels);
    const make = (leaves: Leaves, M: number, N: number) => {
      const { groups = 1 } = options;
      const attrs = convAttrs("conv2d", options);
      const x = leaves.leaf(1, channels * groups, 1, N);
      const [w, b] = [leaves.leaf(M * groups, channels, 1, 3), leaves.leaf(M * groups)];
      const y = conv2dOp.one([x, w, b], attrs);
      const dy = leaves.leaf(...y.shape);
      const [, , H, W] = x.shape as [number, number, number, number];
      const [dw, db] = conv2dBackwardWeightOp.apply([x, dy], { ...attrs, KH: 1, KW: 3 });
      return [
        ["forward with bias", y] as const,
        ...(groups > 1 ? [["forward", conv2dOp.one([x, w], attrs)] as const] : []),
        ["input gradient", conv2dBackwardInputOp.one([w, dy], { ...attrs, H, W })] as const,
        ["weight gradient", dw!] as const,
        ["bias gradient", db!] as const,
      ];
    };
    return check(tile, make, first);
  });

  it("with long sums, in parts", () =>
    check(tile, (leaves, M, N) => {
      const attrs = convAttrs("conv2d", {});
      const channels = Math.ceil((N - 1) / 3);
      const [x, dy] = [leaves.leaf(1, channels, 9, 72), leaves.leaf(1, M, 9, 70)];
      const [dw, db] = conv2dBackwardWeightOp.apply([x, dy], { ...attrs, KH: 1, KW: 3 });
      return [["weight gradient", dw!] as const, ["bias gradient", db!] as const];
    }));

  it("with a convolution block and its gradients", () =>
    check(
      tile,
      (leaves, M, N) => {
        const attrs = { ...convAttrs("convBlock", { padding: 1 }), PKH: 2, PKW: 2 };
        const x = leaves.leaf(1, 2, 2, 2 * Math.ceil(N / 4));
        const [w, b] = [leaves.leaf(M, 2, 3, 3), leaves.leaf(M)];
        const [y, code] = convBlockOp.apply([x, w, b], attrs) as [Tensor, Tensor];
        const dy = leaves.leaf(...y.shape);
        const made = convBlockBackwardOp.apply([w, x, dy, code], { ...attrs, needsX: true, needsW: true });
        return [["forward", y] as const, ...made.map((t, i) => [`gradient ${i}`, t] as const)];
      },
      2,
    ));
});
