/** Synthetic digits, in a module that is loaded on demand. */
import { data } from "../src/index.ts";

// No destructuring, which would keep everything else in the namespace.
export const syntheticDigits: typeof data.syntheticDigits = (options) => data.syntheticDigits(options);
