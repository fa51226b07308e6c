/**
 * Recurrent layers with the weights, names, gate order and formulas of torch.nn.RNN, LSTM and GRU, so that their state dicts load
 * by name. The batch comes first, as with `batch_first=True`: [N, T, F].
 */
import { expectSpec, expectTensor, expectWhole } from "../graph/op.ts";
import { formatShape, type Shape, sameShape } from "../graph/spec.ts";
import { parameter, scope, type Tensor } from "../graph/tensor.ts";
import type { CellKind } from "../kernels/recurrent/cells.ts";
import { type RecurrenceResult, recurrence } from "../ops/recurrent/recurrence.ts";
import { concat, stack } from "../ops/shape/concat.ts";
import { reshape } from "../ops/shape/reshape.ts";
import { slice } from "../ops/shape/slice.ts";
import { ShapeError, ValueError } from "../validation/errors.ts";
import { checkOptions, type OptionKinds } from "../validation/options.ts";
import { dropout } from "./blocks.ts";
import { uniform } from "./init.ts";
import type { Module } from "./module.ts";

export interface RecurrentOptions {
  /** Layers on top of each other. Default 1. */
  readonly layers?: number;
  /** A second direction, from the last step to the first; features of both are side by side. Default false. */
  readonly bidirectional?: boolean;
  /** Probability with which training zeroes what one layer gives the next. Default 0. */
  readonly dropout?: number;
  /** Default true. */
  readonly bias?: boolean;
  /** Whether `forward` gives all steps, [N, T, D H], or the last state of the top layer, [N, D H]. Default true. */
  readonly returnSequences?: boolean;
  /** Builds every step of ops: slower, but gradients have gradients. As in Keras. Default false. */
  readonly unroll?: boolean;
}

export interface RnnOptions extends RecurrentOptions {
  /** Default "tanh". */
  readonly nonlinearity?: "tanh" | "relu";
}

/** State of a recurrent layer, [layers D, N, H] each, D = 2 where it is bidirectional, else 1; c for an LSTM only. */
export interface RecurrentState {
  readonly h?: Tensor | undefined;
  readonly c?: Tensor | undefined;
}

export interface RunOptions {
  /** State before the first step; default 0. */
  readonly state?: RecurrentState | undefined;
  /** i32 or f32 [N], the number of steps of each sample, as with `pack_padded_sequence`; default all. */
  readonly lengths?: Tensor | undefined;
}

export interface RecurrentResult {
  /** The top layer's state after each step, [N, T, D H]; 0 beyond a sample's length. */
  readonly output: Tensor;
  /** State after each sample's last step. */
  readonly state: { readonly h: Tensor; readonly c?: Tensor };
}

const RECURRENT = {
  layers: "number",
  bidirectional: "boolean",
  dropout: "number",
  bias: "boolean",
  returnSequences: "boolean",
  unroll: "boolean",
} as const satisfies OptionKinds<RecurrentOptions>;

const RNN = { ...RECURRENT, nonlinearity: ["tanh", "relu"] } as const satisfies OptionKinds<RnnOptions>;

/**
 * One or more recurrent layers. Parameters of layer k are `weight_ih_lk` [G H, F], `weight_hh_lk` [G H, H], `bias_ih_lk` and
 * `bias_hh_lk` [G H], with `_reverse` at the end of the names for the second direction; they start uniform in ±1/√H.
 */
class Recurrent implements Module {
  readonly kind: string;
  readonly #cell: CellKind;
  readonly #options: Required<RecurrentOptions>;

  constructor(
    who: string,
    cell: CellKind,
    readonly inputSize: number,
    readonly hiddenSize: number,
    options: RecurrentOptions,
  ) {
    const { layers = 1, bidirectional = false, bias = true, returnSequences = true } = options;
    const { dropout: p = 0, unroll = false } = options;
    expectWhole(who, "inputSize", inputSize, 1);
    expectWhole(who, "hiddenSize", hiddenSize, 1);
    expectWhole(who, "layers", layers, 1);
    if (!(p >= 0 && p <= 1)) throw new ValueError(`${who}: dropout must be in [0, 1], got ${p}`);
    if (p > 0 && layers === 1)
      throw new ValueError(
        `${who}: dropout lies between layers and there is one; add nn.dropout(${p}) after it, or layers`,
      );
    this.kind = who.slice(3).toUpperCase();
    this.#cell = cell;
    this.#options = { layers, bidirectional, dropout: p, bias, returnSequences, unroll };
    const rows = { rnnTanh: 1, rnnRelu: 1, lstm: 4, gru: 3 }[cell] * hiddenSize;
    const draw = uniform(-1 / Math.sqrt(hiddenSize), 1 / Math.sqrt(hiddenSize));
    const make = (name: string, shape: Shape) => {
      Object.assign(this, { [name]: parameter(shape, draw(shape), name) });
    };
    for (const { suffix, layer } of this.#parts()) {
      const features = layer === 0 ? inputSize : hiddenSize * (bidirectional ? 2 : 1);
      make(`weight_ih_${suffix}`, [rows, features]);
      make(`weight_hh_${suffix}`, [rows, hiddenSize]);
      if (bias) for (const name of ["bias_ih_", "bias_hh_"]) make(name + suffix, [rows]);
    }
  }

  /** x [N, T, inputSize] -> the output of all steps, or with `returnSequences: false` the last state of the top layer. */
  forward(x: Tensor): Tensor {
    const { output, last } = this.#run(x, {});
    return this.#options.returnSequences ? output : last;
  }

  /**
   * Output of all steps and last state of all layers for x [N, T, inputSize]. Steps at or after a sample's length leave its state
   * as it is, give 0, and may hold anything in x. Throws ShapeError on sizes that disagree.
   */
  run(x: Tensor, options: RunOptions = {}): RecurrentResult {
    const who = `nn.${this.kind.toLowerCase()}`;
    const { output, parts } = this.#run(
      x,
      checkOptions(who, options, { state: "options", lengths: "tensor" }),
    );
    const h = stack(parts.map((part) => part.h));
    if (this.#cell !== "lstm") return { output, state: { h } };
    return { output, state: { h, c: stack(parts.map((part) => part.c)) } };
  }

  #run(x: Tensor, { state = {}, lengths }: RunOptions) {
    const who = `nn.${this.kind.toLowerCase()}`;
    const { layers, bidirectional, dropout: p, unroll } = this.#options;
    expectTensor(who, "x", x);
    const [N] = expectSpec(who, "x", x, 3).shape as [number];
    const kinds = { h: "tensor", c: "tensor" } as const;
    const { h, c } = checkOptions(`${who}: state`, state, kinds);
    const planes = [layers * (bidirectional ? 2 : 1), N, this.hiddenSize];
    for (const [name, t] of Object.entries({ h, c })) {
      if (t !== undefined && !sameShape(t.shape, planes))
        throw new ShapeError(
          `${who}: state.${name} must be ${formatShape(planes)}, got ${formatShape(t.shape)}`,
        );
    }
    const parts: RecurrenceResult[] = [];
    let value = x;
    for (let layer = 0; layer < layers; layer++) {
      if (layer > 0 && p > 0) value = dropout(p)(value);
      const directions = this.#parts().filter((part) => part.layer === layer);
      const results = directions.map(({ suffix, reverse, index }) => {
        const plane = (t?: Tensor) => t && reshape(slice(t, [index], [index + 1]), planes.slice(1));
        const options = { h0: plane(h), c0: plane(c), lengths, reverse, unroll };
        return scope(suffix, () => recurrence(this.#cell, value, this.#weights(suffix), options));
      });
      value = concat(
        results.map(({ output }) => output),
        2,
      );
      parts.push(...results);
    }
    const top = parts.slice(bidirectional ? -2 : -1);
    return {
      output: value,
      last: concat(
        top.map((part) => part.h),
        1,
      ),
      parts,
    };
  }

  /** Layers and directions in the order of states. */
  #parts() {
    const { layers, bidirectional } = this.#options;
    const directions = bidirectional ? [false, true] : [false];
    return Array.from({ length: layers }, (_, layer) =>
      directions.map((reverse) => ({
        layer,
        reverse,
        suffix: `l${layer}${reverse ? "_reverse" : ""}`,
        index: layer * directions.length + Number(reverse),
      })),
    ).flat();
  }

  /** Read from the fields, so that a parameter that was replaced (tied weights) counts. */
  #weights(suffix: string) {
    const fields = this as unknown as Readonly<Record<string, Tensor>>;
    return {
      weightIh: fields[`weight_ih_${suffix}`]!,
      weightHh: fields[`weight_hh_${suffix}`]!,
      biasIh: fields[`bias_ih_${suffix}`],
      biasHh: fields[`bias_hh_${suffix}`],
    };
  }
}

export type { Recurrent };

/** h' = tanh or relu of (W_ih x + b_ih + W_hh h + b_hh): torch.nn.RNN. Throws ShapeError and ValueError on sizes and options. */
export function rnn(inputSize: number, hiddenSize: number, options: RnnOptions = {}): Recurrent {
  const { nonlinearity = "tanh", ...rest } = checkOptions("nn.rnn", options, RNN);
  return new Recurrent(
    "nn.rnn",
    nonlinearity === "tanh" ? "rnnTanh" : "rnnRelu",
    inputSize,
    hiddenSize,
    rest,
  );
}

/** Long short-term memory (Hochreiter and Schmidhuber, 1997), gates i, f, g, o: torch.nn.LSTM. Throws as `rnn`. */
export function lstm(inputSize: number, hiddenSize: number, options: RecurrentOptions = {}): Recurrent {
  return new Recurrent("nn.lstm", "lstm", inputSize, hiddenSize, checkOptions("nn.lstm", options, RECURRENT));
}

/** Gated recurrent unit (Cho et al., 2014), gates r, z, n, r applied after the product: torch.nn.GRU. Throws as `rnn`. */
export function gru(inputSize: number, hiddenSize: number, options: RecurrentOptions = {}): Recurrent {
  return new Recurrent("nn.gru", "gru", inputSize, hiddenSize, checkOptions("nn.gru", options, RECURRENT));
}
