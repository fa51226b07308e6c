/** Options that several commands take: device, published data set, the user's own data, JSON output. */
import { type Command, Option } from "commander";

export interface DeviceFlags {
  readonly backend: "auto" | "webgpu" | "cpu";
}

/** Which published data set to take, and how much of it. */
export interface DataFlags {
  readonly dataset?: string;
  readonly dataDir?: string;
  readonly limit?: number;
}

/** The user's own table or images. */
export interface OwnDataFlags {
  readonly csv?: string;
  readonly label?: string;
  readonly images?: string;
  /** Columns, separated by commas. */
  readonly ignore?: string;
  readonly task?: "classes" | "values";
  readonly header?: "yes" | "no";
  readonly decimal?: "." | ",";
}

export const backendOption = () =>
  new Option("--backend <name>", "where to compute; auto uses WebGPU if it is available")
    .choices(["auto", "webgpu", "cpu"])
    .default("auto");

export const dataDirOption = () =>
  new Option("--data-dir <folder>", "folder of the data sets (default: WEFT_DATA, else the cache folder)");

export const jsonOption = () =>
  new Option("--json", "print one JSON object per line on stdout, nothing else");

/** Adds the options of `OwnDataFlags`; `--task` only for training, since a saved model has its task. */
export function addOwnDataOptions(command: Command, forTraining: boolean): Command {
  command
    .option("--csv <file>", "your own table, with --label; the model is built to fit it")
    .option("--label <column>", "the column to predict: its name, or its number from 0")
    .option("--ignore <columns>", "columns of the table to leave out, separated by commas");
  if (forTraining) {
    const text = "whether the label names classes or is a value to predict (default: detected)";
    command.addOption(new Option("--task <kind>", text).choices(["classes", "values"]));
  }
  const header = "whether the table's first line names the columns (default: detected)";
  return command
    .addOption(new Option("--header <yes|no>", header).choices(["yes", "no"]))
    .addOption(
      new Option("--decimal <sign>", "the table's decimal sign (default: detected)").choices([".", ","]),
    )
    .option("--images <folder>", "your own PNG and JPEG files, one sub-folder per class; trains LeNet-5");
}
