/** The published data sets, one line each; Node and pages build their loaders from this table. */
import { bostonSource } from "./boston.ts";
import { cifar10Source } from "./cifar10.ts";
import { digitsSource } from "./digits.ts";
import { fashionMnistSource, mnistSource } from "./mnist.ts";
import { tinyshakespeareSource } from "./tinyshakespeare.ts";
import { uspsSource } from "./usps.ts";

export const datasetSources = {
  mnist: mnistSource,
  fashionMnist: fashionMnistSource,
  cifar10: cifar10Source,
  usps: uspsSource,
  digits: digitsSource,
  boston: bostonSource,
  tinyshakespeare: tinyshakespeareSource,
} as const;
