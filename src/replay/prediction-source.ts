/** What a predictor runs of an ahead-of-time file: one of its programs, with the weights of its trainer. */

import { formatShape, formatSpec, sameShape } from "../graph/spec.ts";
import type { AnyTrainer } from "../train/loop/any-trainer.ts";
import { checkForms, type InputForms, type KnownInput } from "../train/predict/inputs.ts";
import type { PredictionProgram, PredictorSource } from "../train/predict/predictor.ts";
import { GraphError, ShapeError } from "../validation/errors.ts";
import { PREDICT } from "./format.ts";
import type { LoadedPrograms } from "./loaded-programs.ts";

/** `given`: forms in place of those of the program, such as bytes for floats. Throws as `createPredictor`. */
export function predictionSource(
  trainer: AnyTrainer,
  programs: LoadedPrograms,
  name?: string,
  given?: InputForms,
): PredictorSource {
  const signature = programs.signature(name ?? PREDICT);
  if (signature === undefined) {
    throw new GraphError(
      name === undefined
        ? "program: predicts nothing; compile it with `predict`"
        : `program: has no program ${name}; there are ${Object.keys(programs.file.programs).join(", ") || "none"}`,
    );
  }
  const own = Array.from(signature.inputs, ([input, { shape, dtype }]): KnownInput => {
    const sample = shape.slice(1);
    return {
      name: input,
      shape: sample,
      dtype,
      scale: 1,
      offset: 0,
      size: sample.reduce((a, b) => a * b, 1),
    };
  });
  const [batchSize = 1] = [...signature.inputs.values()][0]?.shape ?? [];
  for (const [input, spec] of signature.inputs) {
    if (spec.shape[0] === batchSize) continue;
    throw new ShapeError(
      `program: ${input} must be [${batchSize}, …] as the first input, got ${formatSpec(spec)}`,
    );
  }
  const open = async (): Promise<PredictionProgram> => {
    const { backend } = trainer;
    const { program, inputs, outputs } = await programs.separate(name ?? PREDICT);
    // The device was lost and replaced meanwhile.
    if (trainer.backend !== backend) return open();
    return { backend, program, inputs: [...inputs.values()], outputs: [...outputs.values()] };
  };
  return {
    batchSize,
    inputs: given === undefined ? { single: own.length === 1, all: own } : formsFor(own, given),
    outputs: Array.from(signature.outputs, ([output, { shape, dtype }]) => ({ name: output, shape, dtype })),
    single: name === undefined,
    get backend() {
      return trainer.backend;
    },
    exclusive: (work) => trainer.exclusive(work),
    survive: (work) => trainer.survive(work),
    open,
  };
}

/** The forms that were given, in the order of the program's inputs. Throws ShapeError where they do not fit. */
function formsFor(own: readonly KnownInput[], given: InputForms) {
  const { single, all } = checkForms("createPredictor", given);
  const forms = own.map((input) => {
    const form = single && own.length === 1 ? all[0] : all.find(({ name }) => name === input.name);
    const dtype = form?.dtype === "u8" ? "f32" : form?.dtype;
    if (form !== undefined && sameShape(form.shape, input.shape) && dtype === input.dtype) return form;
    const found = form === undefined ? "nothing" : `${form.dtype}${formatShape(form.shape)}`;
    throw new ShapeError(
      `createPredictor: the program takes ${input.dtype}${formatShape(input.shape)} as ${input.name}, got ${found}`,
    );
  });
  return { single, all: forms };
}
