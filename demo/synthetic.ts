/** The painter of synthetic digits, to be fetched by itself. */
import { data } from "../src/index.ts";

// Not taken out of the namespace by destructuring: that would bring everything in it along.
export const syntheticDigits: typeof data.syntheticDigits = (options) => data.syntheticDigits(options);
