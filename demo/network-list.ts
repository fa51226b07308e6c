/**
 * Names and numbers of the page's networks, which are recipes of the library, so that the page can show them before the library
 * is loaded. A test checks them against the recipes.
 */
import type { RecipeInfo } from "./protocol.ts";

const common = { dataset: "mnist", batch: 64, optimizer: "adam", rate: 1e-3 } as const;

export const networkList: readonly RecipeInfo[] = [
  { ...common, name: "lenet5", title: "LeNet-5", parameters: 61_706 },
  {
    ...common,
    name: "mnist-small",
    title: "Two filters and 60 hidden units",
    batch: 128,
    parameters: 18_000,
  },
  { ...common, name: "mlp", title: "One hidden layer", parameters: 101_770 },
];

/** Throws an Error, with a message for visitors, if no network has that name. */
export function networkNamed(name: string): RecipeInfo {
  const network = networkList.find((n) => n.name === name);
  if (network === undefined)
    throw new Error(`There is no network called ${name} here; choose one under Settings.`);
  return network;
}
