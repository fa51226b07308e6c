/** Parsers of numbers on the command line. Commander adds the option's name to what they throw. */
import { InvalidArgumentError } from "commander";

/** A parser that throws InvalidArgumentError unless the text matches `form` and `accepts` its finite value. */
function numberParser(expected: string, accepts: (value: number) => boolean, form = /\S/) {
  return (text: string): number => {
    const value = Number(text);
    if (!form.test(text) || !Number.isFinite(value) || !accepts(value))
      throw new InvalidArgumentError(`It must be ${expected}.`);
    return value;
  };
}

export const wholeNumber = (least: number) =>
  numberParser(
    `a whole number of at least ${least}`,
    (value) => Number.isSafeInteger(value) && value >= least,
    /^\s*\d+\s*$/,
  );
export const positive = numberParser("a number above 0", (value) => value > 0);
export const nonNegative = numberParser("a number of at least 0", (value) => value >= 0);
export const fraction = numberParser("a number from 0 to below 1", (value) => value >= 0 && value < 1);
