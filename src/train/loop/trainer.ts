/** The trainer of a model: its programs are traced from model, loss and optimizer. */

import { state } from "../../graph/tensor.ts";
import { allParameters, namedBuffers, namedParameters } from "../../nn/module.ts";
import { keyFromSeed } from "../../numbers/random.ts";
import { type Backend, checkDevice } from "../../runtime/backend.ts";
import { ValueError } from "../../validation/errors.ts";
import { notAwaited } from "../../validation/options.ts";
import { DeviceStates } from "../state/device-states.ts";
import { KEY, LEARNING_RATE, type RunStates } from "../state/run-states.ts";
import type { TrainerParts } from "../step/program-source.ts";
import type { TrainStates } from "../step/step-graph.ts";
import { TracedPrograms } from "../step/traced-programs.ts";
import { AnyTrainer } from "./any-trainer.ts";
import { checkTrainerOptions, type TrainerOptions } from "./options.ts";

export class Trainer extends AnyTrainer {
  private constructor(
    backend: Backend,
    override readonly options: TrainerOptions,
  ) {
    super(options, partsOf(backend, options));
  }

  /** Throws ValueError on a batch size or seed that is no whole number, and on a model without parameters. */
  static create(backend: Backend, options: TrainerOptions): Promise<Trainer> {
    const create = async () => new Trainer(backend, options);
    const names = ["fit", "evaluate", "save", "load", "compile", "profile"];
    return notAwaited(create(), "Trainer.create", names);
  }
}

function partsOf(backend: Backend, options: TrainerOptions): TrainerParts {
  checkDevice("Trainer.create", backend);
  checkTrainerOptions(options);
  const { states, training, drawn } = statesOf(options);
  const values = new DeviceStates(backend, options.seed ?? 0, states);
  // Parameters that have been trained or loaded on this device keep their values.
  drawn.forEach((t, i) => {
    values.initialise(t, i);
  });
  return { values, states, programs: new TracedPrograms(options, values, training) };
}

/**
 * The states of a run: all of them by name, and those that its graphs take. Parameter i of `drawn` begins with values of
 * random stream i, so that initial weights depend only on seed and position in the model. Throws ValueError on a model without
 * parameters.
 */
export function statesOf({ model, optimizer: rule, seed = 0 }: TrainerOptions) {
  const parameters = namedParameters(model);
  const buffers = namedBuffers(model);
  if (parameters.size === 0) {
    throw new ValueError(
      "trainer: the model has no parameters to train; searched are the fields of objects with `forward`, and arrays, plain " +
        "objects, Maps and Sets in them, without what nn.freeze has frozen",
    );
  }
  const optimizer = rule.states([...parameters.values()], [...parameters.keys()]);
  const { step, packed, learningRate } = optimizer;
  const key = state([2], Uint32Array.from(keyFromSeed(seed)), "u32", "random key");
  const live = new Map([
    [KEY, key],
    [LEARNING_RATE, learningRate],
  ]);
  const states: RunStates = { parameters, buffers, packed: new Map(Object.entries(packed)), step, live };
  const training: TrainStates = { parameters, buffers, optimizer, step, key };
  return { states, training, drawn: allParameters(model) };
}
