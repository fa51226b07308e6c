/** The options of `weft train`. A run folder stores them, and `--resume` parses them by the same definitions. */
import { Command, Option } from "commander";
import {
  type ActivationName,
  activationNames,
  type OptimizerName,
  optimizerNames,
  type ScheduleName,
  scheduleNames,
} from "../../../recipes/update-names.ts";
import { fraction, nonNegative, positive, wholeNumber } from "./parse-values.ts";
import {
  addOwnDataOptions,
  backendOption,
  type DataFlags,
  type DeviceFlags,
  dataDirOption,
  jsonOption,
  type OwnDataFlags,
} from "./shared-options.ts";

type NumberFlag =
  | (
      | "epochs"
      | "steps"
      | "batchSize"
      | "lr"
      | "warmup"
      | "momentum"
      | "weightDecay"
      | "clipNorm"
      | "clipValue"
    )
  | ("accumulate" | "ema" | "labelSmoothing" | "evaluateEvery" | "earlyStopping" | "minDelta")
  | ("checkpointEvery" | "checkpointSteps" | "keep");
type Switch =
  | ("batchNorm" | "logSoftmax" | "biasPerPosition" | "metrics" | "gradientNorm" | "keepBest")
  | ("tune" | "json" | "quiet");
type TextFlag = "monitor" | "save" | "run" | "resume" | "history" | "log" | "picture" | "report";
type Flags<Name extends string, Value> = { readonly [Key in Name]?: Value };

/** The parsed options by Commander's names: `--batch-size` is `batchSize`. */
export type TrainFlags = DeviceFlags &
  DataFlags &
  OwnDataFlags &
  Flags<NumberFlag, number> &
  Flags<Switch, true> &
  Flags<TextFlag, string> & {
    readonly seed: number;
    readonly optimizer?: OptimizerName;
    readonly schedule?: ScheduleName;
    readonly classWeights?: "balanced";
    readonly activation?: ActivationName;
    readonly pixels?: "grey" | "binary";
    readonly conv: "direct" | "im2col" | "auto";
    readonly compare?: readonly string[];
  };

const choice = (flags: string, text: string, choices: readonly string[]) =>
  new Option(flags, text).choices([...choices]);

/** `weft train` without its action. */
export function trainCommand(): Command {
  const command = new Command("train")
    .description("train a model and save it; weft recipes lists the recipes")
    .argument("[recipe]", "what to train", "lenet5")
    .optionsGroup("Data:")
    .option("--dataset <name>", "a published data set, or synthetic (default: the recipe's)");
  return addOwnDataOptions(command, true)
    .addOption(dataDirOption())
    .option(
      "--limit <n>",
      "use the first n training samples, and the same share of the test set",
      wholeNumber(1),
    )
    .optionsGroup("Training:")
    .option("--epochs <n>", "passes over the training data", wholeNumber(1))
    .option("--steps <n>", "training steps, instead of epochs", wholeNumber(1))
    .option("--batch-size <n>", "samples per step", wholeNumber(1))
    .option("--seed <n>", "seed of initial weights and shuffling", wholeNumber(0), 0)
    .option("--lr <number>", "learning rate (default: the recipe's, else the optimizer's)", positive)
    .addOption(choice("--optimizer <name>", "update rule", optimizerNames))
    .addOption(choice("--schedule <name>", "learning rate schedule over the run", scheduleNames))
    .option("--warmup <n>", "updates over which the learning rate rises from 0", wholeNumber(0))
    .option("--momentum <x>", "momentum of sgd and rmsprop; the optimizer `momentum` uses 0.9", nonNegative)
    .option("--weight-decay <x>", "weight decay; biases are exempt", nonNegative)
    .option("--clip-norm <x>", "largest norm of the gradient of all parameters", positive)
    .option("--clip-value <x>", "largest absolute value of a gradient element", positive)
    .option("--accumulate <n>", "steps whose gradients are combined into one update", wholeNumber(1))
    .option("--ema <decay>", "average the weights exponentially; save and evaluate the average", fraction)
    .option("--label-smoothing <x>", "share of each label that is spread over all classes", fraction)
    .addOption(
      choice("--class-weights <kind>", "give rare classes the same total weight as common ones", [
        "balanced",
      ]),
    )
    .optionsGroup("Variants, for recipes that have them:")
    .option("--batch-norm", "batch normalisation before every activation")
    .option("--log-softmax", "log-softmax and negative log-likelihood instead of cross-entropy")
    .option("--bias-per-position", "a bias per output position of a convolution, not per filter")
    .addOption(choice("--activation <name>", "activation of hidden layers", activationNames))
    .addOption(choice("--pixels <kind>", "grey values, or 0 and 1", ["grey", "binary"]))
    .optionsGroup("Measuring and stopping:")
    .option("--metrics", "also measure top-5, precision, recall and F1, or MSE, MAE and R2")
    .option("--gradient-norm", "record the norm of the gradients")
    .option("--evaluate-every <n>", "also evaluate the test set every n steps", wholeNumber(1))
    .option("--early-stopping <n>", "stop after n evaluations without improvement", wholeNumber(1))
    .option("--monitor <name>", "measure to compare: valLoss, valAccuracy, valF1 … (default: valLoss)")
    .option("--min-delta <x>", "smallest improvement that counts", nonNegative)
    .option("--keep-best", "save the weights of the best evaluation, not the last ones")
    .optionsGroup("Files:")
    .option(
      "--save <file>",
      "where to save the model (default: <recipe>.safetensors, in the run folder if any)",
    )
    .option("--run <folder>", "store settings, checkpoints and history there, so that the run can be resumed")
    .option("--resume <folder>", "continue the run in this folder with its settings")
    .option("--checkpoint-every <seconds>", "longest time between checkpoints (default: 5)", positive)
    .option("--checkpoint-steps <n>", "also write a checkpoint every n steps", wholeNumber(1))
    .option("--keep <n>", "number of checkpoints to keep (default: 3)", wholeNumber(1))
    .option("--history <file>", "write a row per epoch to this .csv or .json file")
    .option("--log <file>", "also write the lines of --json to this file")
    .option("--picture <file>", "draw the recipe's picture, or the learning curves, as an SVG file")
    .option(
      "--report <file.html>",
      "write a page with curves, mistakes, filters and timings, and history files beside it",
    )
    .option("--compare <files...>", "draw the curves of these --log files or reports beside this run's")
    .optionsGroup("Device and output:")
    .addOption(backendOption())
    .addOption(
      choice("--conv <kind>", "kernels of convolutions", ["direct", "im2col", "auto"]).default("auto"),
    )
    .option("--tune", "time kernels on this adapter first, or use what weft tune has stored")
    .addOption(jsonOption())
    .option("--quiet", "print errors only");
}
