/** The options that name the user's own data, for each command that takes them. */
import { Option } from "commander";

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

export const csvOption = () =>
  new Option("--csv <file>", "your own table, with --label; the model is made to fit it");
export const labelOption = () =>
  new Option("--label <column>", "what to learn: a column's name, or its number from 0");
export const ignoreOption = () =>
  new Option("--ignore <columns>", "columns of the table to leave out, separated by commas");
export const taskOption = () =>
  new Option(
    "--task <kind>",
    "whether the label names classes or is a value to predict (default: as it looks)",
  ).choices(["classes", "values"]);
export const headerOption = () =>
  new Option(
    "--header <yes|no>",
    "whether the table's first line names the columns (default: as it looks)",
  ).choices(["yes", "no"]);
export const decimalOption = () =>
  new Option("--decimal <sign>", "the table's decimal sign (default: as it looks)").choices([".", ","]);
export const imagesOption = () =>
  new Option("--images <folder>", "your own PNG and JPEG files, a sub-folder per class; trains LeNet-5");
