/** The table of published data sets, one line each; hosts build their loaders from it. */
import { fashionMnistSource, mnistSource } from "./mnist.ts";

export const datasetSources = {
  mnist: mnistSource,
  fashionMnist: fashionMnistSource,
} as const;
