/**
 * The page's networks by the names of the library's recipes, whose models and numbers these are: a test holds them against
 * each other. Written out here because the library's table brings every recipe's data set and pictures along, which is more
 * than the whole page may weigh.
 */
import { nn } from "../src/index.ts";
import type { RecipeInfo } from "./protocol.ts";

export interface Network extends Omit<RecipeInfo, "parameters"> {
  /** For images [1, 28, 28] and ten classes. */
  model(): nn.Layer;
}

const common = { dataset: "mnist", batch: 64, optimizer: "adam", rate: 1e-3 } as const;

export const networks: readonly Network[] = [
  {
    ...common,
    name: "lenet5",
    title: "LeNet-5",
    model: () =>
      nn.sequential(
        nn.conv2d(1, 6, 5, { padding: 2 }),
        nn.relu(),
        nn.maxPool2d(2),
        nn.conv2d(6, 16, 5),
        nn.relu(),
        nn.maxPool2d(2),
        nn.flatten(),
        nn.linear(400, 120),
        nn.relu(),
        nn.linear(120, 84),
        nn.relu(),
        nn.linear(84, 10),
      ),
  },
  {
    ...common,
    name: "mnist-small",
    title: "Two filters and 60 hidden units",
    batch: 128,
    model: () => {
      const init = { weightInit: nn.init.kaimingNormal(), biasInit: nn.init.zeros };
      return nn.sequential(
        nn.conv2d(1, 2, 5, { bias: false, weightInit: init.weightInit }),
        nn.relu(),
        nn.maxPool2d(2),
        nn.flatten(),
        nn.linear(288, 60, init),
        nn.relu(),
        nn.linear(60, 10, init),
      );
    },
  },
  {
    ...common,
    name: "mlp",
    title: "One hidden layer",
    model: () => nn.sequential(nn.flatten(), nn.linear(784, 128), nn.relu(), nn.linear(128, 10)),
  },
];

/** What the page tells of a network. */
export function describeNetwork({ model, ...info }: Network): RecipeInfo {
  const parameters = [...nn.namedParameters(model()).values()].reduce((sum, t) => sum + t.size, 0);
  return { ...info, parameters };
}
