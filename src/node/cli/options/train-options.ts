/** The options of `weft train`: what they are called, what they may be. Run folders are read by the same rules. */
import { Command, Option } from "commander";
import {
  type ActivationName,
  activationNames,
  type OptimizerName,
  optimizerNames,
  type ScheduleName,
  scheduleNames,
} from "../../../recipes/update-names.ts";
import { backendOption, type DeviceFlags, dataDirOption, jsonOption } from "./device-options.ts";
import { nonNegative, positive, share, whole } from "./option-values.ts";
import {
  csvOption,
  decimalOption,
  headerOption,
  ignoreOption,
  imagesOption,
  labelOption,
  type OwnDataFlags,
  taskOption,
} from "./own-data-options.ts";

export interface TrainFlags extends DeviceFlags, OwnDataFlags {
  readonly dataset?: string;
  readonly dataDir?: string;
  readonly limit?: number;
  readonly epochs?: number;
  readonly steps?: number;
  readonly batchSize?: number;
  readonly seed: number;
  readonly lr?: number;
  readonly optimizer?: OptimizerName;
  readonly schedule?: ScheduleName;
  readonly warmup?: number;
  readonly momentum?: number;
  readonly weightDecay?: number;
  readonly clipNorm?: number;
  readonly clipValue?: number;
  readonly accumulate?: number;
  readonly ema?: number;
  readonly labelSmoothing?: number;
  readonly classWeights?: "balanced";
  readonly evaluateEvery?: number;
  readonly earlyStopping?: number;
  readonly monitor?: string;
  readonly minDelta?: number;
  readonly keepBest?: true;
  readonly metrics?: true;
  readonly gradientNorm?: true;
  readonly batchNorm?: true;
  readonly logSoftmax?: true;
  readonly biasPerPosition?: true;
  readonly activation?: ActivationName;
  readonly pixels?: "grey" | "binary";
  readonly conv: "direct" | "im2col" | "auto";
  readonly tune?: true;
  readonly save?: string;
  readonly run?: string;
  readonly resume?: string;
  readonly checkpointEvery?: number;
  readonly checkpointSteps?: number;
  readonly keep?: number;
  readonly history?: string;
  readonly log?: string;
  readonly picture?: string;
  readonly report?: string;
  readonly compare?: readonly string[];
  readonly json?: true;
  readonly quiet?: true;
}

/** The command without what it does. */
export function trainCommand(): Command {
  return new Command("train")
    .description("train a model and save it; weft recipes lists what there is")
    .argument("[recipe]", "what to train", "lenet5")
    .optionsGroup("Data:")
    .option("--dataset <name>", "a published data set, or synthetic (default: the recipe's)")
    .addOption(csvOption())
    .addOption(labelOption())
    .addOption(ignoreOption())
    .addOption(taskOption())
    .addOption(headerOption())
    .addOption(decimalOption())
    .addOption(imagesOption())
    .addOption(dataDirOption())
    .option("--limit <n>", "use the first n training samples, and as large a share of the test set", whole(1))
    .optionsGroup("Training:")
    .option("--epochs <n>", "passes over the training data", whole(1))
    .option("--steps <n>", "training steps, in place of passes", whole(1))
    .option("--batch-size <n>", "samples per step", whole(1))
    .option("--seed <n>", "of start weights and shuffling", whole(0), 0)
    .option(
      "--lr <number>",
      "learning rate (default: the recipe's, or what the optimizer is used to)",
      positive,
    )
    .addOption(new Option("--optimizer <name>", "the update rule").choices([...optimizerNames]))
    .addOption(
      new Option("--schedule <name>", "course of the learning rate over the run").choices([...scheduleNames]),
    )
    .option("--warmup <n>", "updates in which the learning rate rises from 0", whole(0))
    .option("--momentum <x>", "of sgd and rmsprop; the optimizer `momentum` has 0.9", nonNegative)
    .option("--weight-decay <x>", "of weights, not of biases", nonNegative)
    .option("--clip-norm <x>", "longest gradient, over all parameters", positive)
    .option("--clip-value <x>", "largest gradient of a single value", positive)
    .option("--accumulate <n>", "steps whose gradients make one update", whole(1))
    .option("--ema <decay>", "also average the weights, and save and measure the average", share)
    .option("--label-smoothing <x>", "share of a label that goes to all classes", share)
    .addOption(
      new Option("--class-weights <kind>", "weigh rare classes as much as common ones").choices(["balanced"]),
    )
    .optionsGroup("Variants, for recipes that have them:")
    .option("--batch-norm", "batch normalisation before every activation")
    .option("--log-softmax", "log-softmax and negative log-likelihood in place of cross-entropy")
    .option("--bias-per-position", "a bias per output position of a convolution, not per filter")
    .addOption(new Option("--activation <name>", "of hidden layers").choices([...activationNames]))
    .addOption(new Option("--pixels <kind>", "grey values, or 0 and 1").choices(["grey", "binary"]))
    .optionsGroup("Measuring and stopping:")
    .option("--metrics", "also top-5, precision, recall and F1, or MSE, MAE and R2, of the test set")
    .option("--gradient-norm", "record the norm of the gradients")
    .option("--evaluate-every <n>", "measure the test set every n steps too", whole(1))
    .option("--early-stopping <n>", "stop after n measurements that are no better than the best", whole(1))
    .option("--monitor <name>", "what is compared: valLoss, valAccuracy, valF1 … (default: valLoss)")
    .option("--min-delta <x>", "what is less better than this is no better", nonNegative)
    .option("--keep-best", "save the weights of the best measurement and not the last")
    .optionsGroup("Files:")
    .option(
      "--save <file>",
      "where to save the model (default: <recipe>.safetensors, in the run folder if any)",
    )
    .option("--run <folder>", "keep settings, checkpoints and history there, so that the run can be resumed")
    .option("--resume <folder>", "go on with the run in this folder; it has its settings")
    .option("--checkpoint-every <seconds>", "at most this much work is lost (default: 5)", positive)
    .option("--checkpoint-steps <n>", "also write a checkpoint every n steps", whole(1))
    .option("--keep <n>", "checkpoints that stay (default: 3)", whole(1))
    .option("--history <file>", "write a row per epoch to this .csv or .json file")
    .option("--log <file>", "also write the lines of --json to this file")
    .option("--picture <file>", "draw what was learned, or the curves, as an SVG file")
    .option(
      "--report <file.html>",
      "one page with curves, mistakes, filters and times; history files beside it",
    )
    .option("--compare <files...>", "draw the curves of these --log files or reports beside this run's")
    .optionsGroup("Device and output:")
    .addOption(backendOption())
    .addOption(
      new Option("--conv <kind>", "kernels of convolutions")
        .choices(["direct", "im2col", "auto"])
        .default("auto"),
    )
    .option("--tune", "time kernels on this adapter first, or take what weft tune has stored")
    .addOption(jsonOption())
    .option("--quiet", "no output but errors");
}
