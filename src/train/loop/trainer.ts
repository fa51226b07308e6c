/** The trainer of a model: its programs are traced from a loss or a step function, and an optimizer. */

import { type Backend, checkDevice } from "../../runtime/backend.ts";
import { notAwaited } from "../../validation/options.ts";
import { DeviceStates } from "../state/device-states.ts";
import { describeRun } from "../step/describe-step.ts";
import type { TrainerParts } from "../step/program-source.ts";
import { TracedPrograms } from "../step/traced-programs.ts";
import { AnyTrainer } from "./any-trainer.ts";
import { type AnyTrainerOptions, checkTrainerOptions } from "./options.ts";

export class Trainer extends AnyTrainer {
  private constructor(
    backend: Backend,
    override readonly options: AnyTrainerOptions,
  ) {
    super(options, partsOf(backend, options));
  }

  /** Throws ValueError on a batch size or seed that is no whole number, and on a model without parameters. */
  static create(backend: Backend, options: AnyTrainerOptions): Promise<Trainer> {
    const create = async () => new Trainer(backend, options);
    const names = ["fit", "evaluate", "save", "load", "compile", "profile"];
    return notAwaited(create(), "Trainer.create", names);
  }
}

function partsOf(backend: Backend, options: AnyTrainerOptions): TrainerParts {
  checkDevice("Trainer.create", backend);
  checkTrainerOptions(options);
  const run = describeRun(options);
  const { states, drawn } = run;
  const values = new DeviceStates(backend, options.seed ?? 0, states);
  // Parameters that have been trained or loaded on this device keep their values.
  drawn.forEach((t, i) => {
    values.initialise(t, i);
  });
  return { values, states, programs: new TracedPrograms(options, values, run) };
}
