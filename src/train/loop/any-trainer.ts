/**
 * Trains a model on any backend. The graph of a step is compiled once and replayed; data, step counter, shuffling and
 * metrics live on the device. What the host does is submit, and now and then read the ring of metrics.
 */
import { checkTrainingData, type TrainingData } from "../../data/sharded.ts";
import { Fit } from "./fit.ts";
import { checkFitOptions, type FitOptions } from "./options.ts";
import { TrainerCore } from "./trainer-core.ts";
import { fit } from "./training-run.ts";

/** What `Trainer` and `AheadOfTimeTrainer` have in common: all but where programs come from. */
export abstract class AnyTrainer extends TrainerCore {
  /**
   * Trains for `epochs` passes or `steps` steps, for one pass where neither is given. Iterate over it for events
   * (`for await (const event of trainer.fit(…))`), or await it for the History; it begins in any case. What else is called
   * meanwhile (`evaluate`, `predict`, `save`, `load`) is done when the fit next gives an event, between two steps, and may
   * be awaited in a callback. Rejects with a BusyError where another fit of this trainer is under way.
   */
  fit(train: TrainingData, given: FitOptions = {}): Fit {
    checkTrainingData("fit", train);
    const options = checkFitOptions(given);
    return new Fit(this.turns, (progress) => fit(this, train, options, progress), options.callbacks ?? []);
  }
}
