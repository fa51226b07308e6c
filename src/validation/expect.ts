/**
 * Assertions about input: each throws an error with `message` unless `holds` is true. The message is built in either case,
 * so loops over the values of a file or an array should throw the error themselves.
 */
import { FormatError, ValueError } from "./errors.ts";

/** For bytes that are not what their format says. */
export function expectFormat(holds: unknown, message: string): asserts holds {
  if (!holds) throw new FormatError(message);
}

/** For arguments and options outside what is allowed. */
export function expectValue(holds: unknown, message: string): asserts holds {
  if (!holds) throw new ValueError(message);
}
