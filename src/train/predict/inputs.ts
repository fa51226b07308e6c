/** The inputs of a predictor: their forms, what users give for them, and the numbers of a batch as the model sees them. */

import { readSample } from "../../data/dataset.ts";
import { readable, type SampleArray } from "../../data/lazy-inputs.ts";
import {
  checkShape,
  type Data,
  type DType,
  formatShape,
  type Shape,
  sameShape,
  sizeOf,
} from "../../graph/spec.ts";
import { type NestedValues, toData } from "../../graph/values.ts";
import { ShapeError, ValueError } from "../../validation/errors.ts";
import { checkChoice, checkOptions, shown } from "../../validation/options.ts";
import { checkSamples, dtypeSeen, type Samples } from "./samples.ts";

/** What one sample of an input looks like. */
export interface InputForm {
  /** Of one sample, without the axis of samples: [1, 28, 28]. */
  readonly shape: Shape;
  /** Type of the numbers that are given; default "f32". The model sees bytes ("u8") as f32. */
  readonly dtype?: DType | "u8";
  /** The model sees `value * scale + offset`; for "f32" and "u8" only. Default 1. */
  readonly scale?: number;
  /** Default 0. */
  readonly offset?: number;
}

/** One input, or several by name; a shape alone is of dtype "f32". */
export type InputForms = Shape | InputForm | Readonly<Record<string, Shape | InputForm>>;

type Plain = readonly NestedValues[];
/** The values that an input of form `F` takes, samples one after the other. */
export type ValuesOf<F> = F extends { readonly dtype: "i32" }
  ? Int32Array | Plain
  : F extends { readonly dtype: "u32" }
    ? Uint32Array | Plain
    : F extends { readonly dtype: "u8" }
      ? Uint8Array | Uint8ClampedArray | Plain
      : Float32Array | Float64Array | Plain;
export type AnyValues =
  | Float32Array
  | Float64Array
  | Int32Array
  | Uint32Array
  | Uint8Array
  | Uint8ClampedArray
  | Plain;
/** What a predictor with inputs `F` takes. */
export type InputsOf<F> = F extends Shape | InputForm
  ? ValuesOf<F> | Samples
  : { readonly [Name in keyof F]: ValuesOf<F[Name]> };

/** An input whose form was checked. */
export interface KnownInput extends Required<InputForm> {
  readonly name: string;
  /** Numbers of one sample. */
  readonly size: number;
}

/** Inputs whose forms were checked; `single`: one without a name. */
export interface KnownInputs {
  readonly single: boolean;
  readonly all: readonly KnownInput[];
}

const KINDS = {
  f32: [Float32Array, Float64Array],
  i32: [Int32Array],
  u32: [Uint32Array],
  u8: [Uint8Array, Uint8ClampedArray],
} as const;
const FORM = { dtype: ["f32", "i32", "u32", "u8"], scale: "number", offset: "number" } as const;
/** Name of an input without one. */
export const SAMPLES = "samples";

/** Throws ValueError or ShapeError on what is no form of inputs. */
export function checkForms(who: string, given: unknown): KnownInputs {
  if (isForm(given)) return { single: true, all: [checkForm(`${who}: inputs`, SAMPLES, given)] };
  if (typeof given !== "object" || given === null || Object.keys(given).length === 0) {
    throw new ValueError(
      `${who}: inputs must be the shape of one sample, such as [1, 28, 28], or { name: shape, … }, got ${shown(given)}`,
    );
  }
  const all = Object.entries(given).map(([name, form]) => {
    if (isForm(form)) return checkForm(`${who}: inputs.${name}`, name, form);
    throw new ValueError(`${who}: inputs.${name} must be a shape or { shape, dtype, … }, got ${shown(form)}`);
  });
  return { single: false, all };
}

const isForm = (given: unknown): given is Shape | InputForm =>
  Array.isArray(given) || Array.isArray((given as InputForm | null)?.shape);

function checkForm(who: string, name: string, given: Shape | InputForm): KnownInput {
  const { shape, ...options } = Array.isArray(given) ? { shape: given as Shape } : (given as InputForm);
  const { dtype = "f32", scale = 1, offset = 0 } = checkOptions<Omit<InputForm, "shape">>(who, options, FORM);
  checkShape(who, shape);
  if ((scale !== 1 || offset !== 0) && dtype !== "f32" && dtype !== "u8") {
    throw new ValueError(`${who}: scale and offset are for "f32" and "u8", got dtype "${dtype}"`);
  }
  return { name, shape: [...shape], dtype, scale, offset, size: sizeOf(shape) };
}

/** The samples of one call. */
export interface Batches {
  readonly count: number;
  /** Copies of the numbers of `used` samples from `first` on, for each input. */
  read(first: number, used: number): Data[];
}

/** Checks what a call was given. Throws ValueError on wrong kinds, ShapeError on wrong numbers of values. */
export function readInputs(who: string, { single, all }: KnownInputs, given: unknown): Batches {
  if (single) {
    const input = all[0] as KnownInput;
    const isSamples = typeof given === "object" && given !== null && "inputs" in given;
    return isSamples ? ofSamples(who, input, given as Samples) : merge([ofValues(who, input, given)]);
  }
  if (typeof given !== "object" || given === null || ArrayBuffer.isView(given) || Array.isArray(given)) {
    const names = all.map(({ name }) => name).join(", ");
    throw new ValueError(`${who}: takes { ${names} }, got ${shown(given)}`);
  }
  const record = given as Record<string, unknown>;
  for (const name of Object.keys(record))
    checkChoice(
      who,
      "the name of an input",
      name,
      all.map((input) => input.name),
    );
  const each = all.map((input) => ofValues(`${who}: ${input.name}`, input, record[input.name]));
  const [first] = each as [Batches];
  each.forEach(({ count }, i) => {
    if (count === first.count) return;
    throw new ShapeError(
      `${who}: inputs must have equally many samples, got ${first.count} of ${all[0]?.name} and ${count} of ${all[i]?.name}`,
    );
  });
  return merge(each);
}

const merge = (each: readonly Batches[]): Batches => ({
  count: each[0]?.count ?? 0,
  read: (first, used) => each.flatMap((one) => one.read(first, used)),
});

function ofValues(who: string, { dtype, shape, size, scale, offset }: KnownInput, given: unknown): Batches {
  const data = dataOf(who, dtype, given);
  const count = data.length / size;
  if (count < 1 || !Number.isInteger(count)) {
    throw new ShapeError(
      `${who}: samples of ${formatShape(shape)} have ${size} values each, got ${data.length} in all`,
    );
  }
  return {
    count,
    read(first, used) {
      const rows = data.subarray(first * size, (first + used) * size);
      if (dtype !== "u8" && scale === 1 && offset === 0) return [rows.slice() as Data];
      return [Float32Array.from(rows as Float32Array, (value) => value * scale + offset)];
    },
  };
}

function dataOf(
  who: string,
  dtype: KnownInput["dtype"],
  given: unknown,
): Data | Uint8Array | Uint8ClampedArray {
  const kinds = KINDS[dtype];
  const kind = kinds.find((one) => given instanceof one);
  if (kind !== undefined) return given as Data;
  if (!Array.isArray(given)) {
    const hint =
      dtype === "f32" && (given instanceof Uint8Array || given instanceof Uint8ClampedArray)
        ? '; for bytes give the predictor inputs: { shape, dtype: "u8", scale }'
        : "";
    throw new ValueError(
      `${who}: takes a ${kinds[0].name} or an array of numbers (${dtype}), got ${shown(given)}${hint}`,
    );
  }
  const data = toData(who, dtype === "u8" ? "u32" : dtype, given);
  const large = dtype === "u8" ? data.findIndex((value) => value > 255) : -1;
  if (large >= 0) throw new ValueError(`${who}: bytes are at most 255, got ${data[large]} at ${large}`);
  return data;
}

/** Samples bring their own scale and offset. */
function ofSamples(who: string, { shape, dtype }: KnownInput, given: Samples): Batches {
  const { count, inputs } = checkSamples(who, given);
  const seen = dtypeSeen(inputs);
  if (seen !== (dtype === "u8" ? "f32" : dtype)) {
    throw new ValueError(`${who}: takes samples of ${dtype}${formatShape(shape)}, got ${seen}`);
  }
  if (!sameShape(inputs.shape, shape)) {
    throw new ShapeError(`${who}: takes samples of ${formatShape(shape)}, got ${formatShape(inputs.shape)}`);
  }
  const { scale = 1, offset = 0 } = inputs;
  const size = sizeOf(shape);
  const plain = scale === 1 && offset === 0 && readable(inputs as SampleArray) === undefined;
  return {
    count,
    read(first, used) {
      const { data } = inputs;
      if (plain && !(data instanceof Uint8Array || data instanceof Float64Array))
        return [data.slice(first * size, (first + used) * size)];
      const values = new Float32Array(used * size);
      for (let i = 0; i < used; i++)
        values.set(readSample({ inputs: inputs as SampleArray }, first + i), i * size);
      return [values];
    },
  };
}
