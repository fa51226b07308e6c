/** The commands and their options. What a command needs is imported when it runs. */
import { Command, Option } from "commander";
import { version } from "../../version.ts";
import { positive, whole } from "./option-values.ts";
import type { OwnDataFlags } from "./own-data.ts";

export interface DeviceFlags {
  readonly backend: "auto" | "webgpu" | "cpu";
}

export interface TrainFlags extends DeviceFlags, OwnDataFlags {
  readonly dataset?: string;
  readonly dataDir?: string;
  readonly epochs?: number;
  readonly batchSize?: number;
  readonly lr?: number;
  readonly optimizer?: "sgd" | "adam" | "adamw";
  readonly seed: number;
  readonly conv: "direct" | "im2col" | "auto";
  readonly limit?: number;
  readonly save?: string;
  readonly log?: string;
  readonly json?: true;
}

export interface EvalFlags extends DeviceFlags, OwnDataFlags {
  readonly recipe?: string;
  readonly dataset?: string;
  readonly dataDir?: string;
  readonly limit?: number;
  readonly json?: true;
}

const backend = () =>
  new Option("--backend <name>", "where to compute; auto takes WebGPU if there is any")
    .choices(["auto", "webgpu", "cpu"])
    .default("auto");
const dataDir = () =>
  new Option("--data-dir <folder>", "where data sets lie (default: WEFT_DATA, else the cache folder)");
const csv = () => new Option("--csv <file>", "your own table, with --label; the model is made to fit it");
const label = () => new Option("--label <column>", "what to learn: a column's name, or its number from 0");
const images = () =>
  new Option("--images <folder>", "your own PNG and JPEG files, a sub-folder per class; trains LeNet-5");
const json = () => new Option("--json", "one JSON object per line on stdout, nothing else");

/** Runs the command that `words` ask for and answers its exit code. Throws CommanderError on words it can't make sense of. */
export async function runCommand(words: readonly string[]): Promise<number> {
  let code = 0;
  const program = new Command("weft")
    .description("Trains neural networks on WebGPU, headless.")
    .version(version)
    .exitOverride()
    // What is wrong is told once, in one line, by whoever catches the CommanderError.
    .configureOutput({ writeErr: () => undefined, outputError: () => undefined })
    .addHelpText(
      "after",
      "\nExit codes: 0 done, 1 device or run failed, 2 wrong usage or input, 130 interrupted.",
    );

  program
    .command("train")
    .description("train a model and save it")
    .argument("[recipe]", "what to train", "lenet5")
    .option(
      "--dataset <name>",
      "mnist, fashion-mnist, cifar10, usps, digits, boston or synthetic (default: the recipe's)",
    )
    .addOption(csv())
    .addOption(label())
    .addOption(images())
    .addOption(dataDir())
    .option("--epochs <n>", "passes over the training data", whole(1))
    .option("--batch-size <n>", "samples per step", whole(1))
    .option("--lr <number>", "learning rate (default: the recipe's; 0.01 for sgd)", positive)
    .addOption(
      new Option("--optimizer <name>", "the update rule; sgd has momentum 0.9").choices([
        "sgd",
        "adam",
        "adamw",
      ]),
    )
    .option("--seed <n>", "of start weights and shuffling", whole(0), 0)
    .addOption(backend())
    .addOption(
      new Option("--conv <kind>", "kernels of convolutions")
        .choices(["direct", "im2col", "auto"])
        .default("auto"),
    )
    .option("--limit <n>", "use the first n training samples, and as large a share of the test set", whole(1))
    .option("--save <file>", "where to save the model (default: <recipe>.safetensors)")
    .option("--log <file>", "also write the lines of --json to this file")
    .addOption(json())
    .action(async (recipe: string, flags: TrainFlags) => {
      code = await (await import("./train.ts")).train(recipe, flags);
    });

  program
    .command("eval")
    .description("load a saved model and measure it on the test set")
    .argument("<file>", "a .safetensors file that weft train saved, or one with PyTorch's names")
    .option("--recipe <name>", "the file's model (default: as the file says)")
    .option("--dataset <name>", "its data set, as for weft train (default: as the file says)")
    .addOption(csv())
    .addOption(label())
    .addOption(images())
    .addOption(dataDir())
    .option("--limit <n>", "use the first n test samples (default: as many as in training)", whole(1))
    .addOption(backend())
    .addOption(json())
    .action(async (file: string, flags: EvalFlags) => {
      code = await (await import("./evaluate.ts")).evaluate(file, flags);
    });

  program
    .command("info")
    .description("show the adapters of this machine, their limits and features")
    .addOption(json())
    .action(async (flags: { json?: true }) => {
      code = await (await import("./info.ts")).info(flags);
    });

  program
    .command("doctor")
    .description("check every kernel against the CPU reference on this machine's adapter")
    .argument("[op]", "check only ops whose name contains this (default: all)")
    .option("--software", "check a software adapter even where there is a GPU")
    .addOption(json())
    .action(async (op: string | undefined, flags: { software?: true; json?: true }) => {
      code = await (await import("./doctor.ts")).doctor(op, flags);
    });

  const data = program.command("data").description("fetch published data sets");
  data
    .command("get")
    .description("download a data set into the data directory and check it")
    .argument("<name>", "mnist, fashion-mnist, cifar10, usps, digits or boston")
    .addOption(dataDir())
    .action(async (name: string, flags: { dataDir?: string }) => {
      code = await (await import("./data-get.ts")).dataGet(name, flags);
    });

  if (words.length === 0) program.outputHelp();
  else await program.parseAsync([...words], { from: "user" });
  return code;
}
