/** The painter of synthetic digits, to be fetched by itself. */
import { data } from "../src/index.ts";

export const { syntheticDigits } = data;
