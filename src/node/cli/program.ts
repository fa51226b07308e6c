/** The commands and their options. What a command needs is imported when it runs. */
import { Command, Option } from "commander";
import { version } from "../../common/version.ts";
import { optimizerNames } from "../../recipes/update-names.ts";
import type { CompileFlags } from "./commands/compile.ts";
import type { EvalFlags } from "./commands/eval.ts";
import type { PredictFlags } from "./commands/predict.ts";
import type { SummaryFlags } from "./commands/summary.ts";
import type { TuneFlags } from "./commands/tune.ts";
import { interruptSignal } from "./interrupt.ts";
import { backendOption, dataDirOption, jsonOption } from "./options/device-options.ts";
import { positive, whole } from "./options/option-values.ts";
import {
  csvOption,
  decimalOption,
  headerOption,
  ignoreOption,
  imagesOption,
  labelOption,
} from "./options/own-data-options.ts";
import { type TrainFlags, trainCommand } from "./options/train-options.ts";

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
      "\nExit codes: 0 done, 1 device or run failed, 2 wrong usage or input,\n128 + n stopped by signal n (Ctrl-C: 130).",
    );

  program.addCommand(
    trainCommand()
      .copyInheritedSettings(program)
      .action(async (recipe: string, flags: TrainFlags, command: Command) => {
        // Listens before loading, which takes a moment.
        interruptSignal();
        const named = command.args.length > 0;
        const given = Object.keys(flags).filter((name) => command.getOptionValueSource(name) === "cli");
        code = await (await import("./commands/train.ts")).train(
          recipe,
          flags,
          named ? ["recipe", ...given] : given,
        );
      }),
  );

  program
    .command("recipes")
    .description("list the recipes: what each one trains, what it must reach, how long it takes")
    .addOption(jsonOption())
    .action(async (flags: { json?: true }) => {
      code = (await import("./commands/recipes.ts")).listRecipes(flags);
    });

  program
    .command("eval")
    .description("load a saved model and measure it on the test set")
    .argument("<file>", "a .safetensors file that weft train saved, or one with PyTorch's names")
    .option("--recipe <name>", "the file's model (default: as the file says)")
    .option("--dataset <name>", "its data set, as for weft train (default: as the file says)")
    .addOption(csvOption())
    .addOption(labelOption())
    .addOption(ignoreOption())
    .addOption(headerOption())
    .addOption(decimalOption())
    .addOption(imagesOption())
    .addOption(dataDirOption())
    .option("--limit <n>", "use the first n test samples (default: as many as in training)", whole(1))
    .addOption(backendOption())
    .addOption(jsonOption())
    .action(async (file: string, flags: EvalFlags) => {
      code = await (await import("./commands/eval.ts")).evaluate(file, flags);
    });

  program
    .command("predict")
    .description("what a saved model takes images for")
    .argument("<file>", "a .safetensors file that weft train saved")
    .argument("<images...>", "PNG or JPEG files, brought to the size that the model takes")
    .option("--recipe <name>", "the file's model (default: as the file says)")
    .option("--top <n>", "how many classes to tell", whole(1), 3)
    .option("--invert", "dark on bright becomes bright on dark, as MNIST has it")
    .addOption(backendOption())
    .addOption(jsonOption())
    .action(async (file: string, images: string[], flags: PredictFlags) => {
      code = await (await import("./commands/predict.ts")).predict(file, images, flags);
    });

  program
    .command("summary")
    .description("show the layers of a model and what a training step takes")
    .argument("[model]", "a recipe, or a saved file", "lenet5")
    .option("--batch-size <n>", "samples per step (default: the recipe's)", whole(1))
    .addOption(backendOption())
    .addOption(jsonOption())
    .action(async (model: string, flags: SummaryFlags) => {
      code = await (await import("./commands/summary.ts")).summary(model, flags);
    });

  program
    .command("info")
    .description("show the adapters of this machine, their limits and features")
    .addOption(jsonOption())
    .action(async (flags: { json?: true }) => {
      code = await (await import("./commands/info.ts")).info(flags);
    });

  program
    .command("doctor")
    .description("check every kernel against the CPU reference on this machine's adapter")
    .argument("[op]", "check only ops whose name contains this (default: all)")
    .option("--software", "check a software adapter even where there is a GPU")
    .addOption(jsonOption())
    .action(async (op: string | undefined, flags: { software?: true; json?: true }) => {
      code = await (await import("./commands/doctor.ts")).doctor(op, flags);
    });

  program
    .command("tune")
    .description("time the kernels of a training step on this adapter and remember the fastest")
    .argument("[recipe]", "whose shapes to take", "lenet5")
    .option("--dataset <name>", "the data set, as for weft train (default: the recipe's)")
    .addOption(dataDirOption())
    .option("--batch-size <n>", "samples per step (default: the recipe's)", whole(1))
    .option("--limit <n>", "as for weft train", whole(1))
    .option("--clear", "forget what is stored for this adapter first")
    .addOption(jsonOption())
    .action(async (recipe: string, flags: TuneFlags) => {
      code = await (await import("./commands/tune.ts")).tune(recipe, flags);
    });

  program
    .command("compile")
    .alias("record")
    .description("compile a training run ahead of time, for pages that load no more than weft/replay")
    .argument("[recipe]", "what to train", "lenet5")
    .option("--out <file>", "where to write it (default: <recipe>.program.json)")
    .option("--dataset <name>", "the data set, as for weft train (default: the recipe's)")
    .addOption(dataDirOption())
    .option("--limit <n>", "as for weft train", whole(1))
    .option("--batch-size <n>", "samples per step (default: the recipe's)", whole(1))
    .option("--epochs <n>", "length of the run that schedules go by", whole(1))
    .option("--lr <number>", "learning rate (default: the recipe's)", positive)
    .addOption(new Option("--optimizer <name>", "the update rule").choices([...optimizerNames]))
    .option("--seed <n>", "of start weights and shuffling, where the page gives no other", whole(0), 0)
    .option("--predict <n>", "samples that it answers for at a time", whole(1), 1)
    .option("--this-adapter", "kernels for this machine's adapter (default: for every adapter)")
    .addOption(jsonOption())
    .action(async (recipe: string, flags: CompileFlags) => {
      code = await (await import("./commands/compile.ts")).compile(recipe, flags);
    });

  const data = program.command("data").description("fetch published data sets");
  data
    .command("get")
    .description("download a data set into the data directory and check it")
    .argument("<name>", "mnist, fashion-mnist, cifar10, usps, digits or boston")
    .addOption(dataDirOption())
    .action(async (name: string, flags: { dataDir?: string }) => {
      code = await (await import("./commands/data-get.ts")).dataGet(name, flags);
    });

  if (words.length === 0) program.outputHelp();
  else await program.parseAsync([...words], { from: "user" });
  return code;
}
