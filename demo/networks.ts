/**
 * The layers of the page's networks, the same as in the library's recipes of these names, which a test checks. They are
 * repeated here because importing the library's recipes would load every recipe's data and pictures.
 */
import { nn } from "../src/index.ts";

/** By name, for images [1, 28, 28] and ten classes. */
export const networks: Readonly<Record<string, () => nn.Layer>> = {
  lenet5: () =>
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
  "mnist-small": () => {
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
  mlp: () => nn.sequential(nn.flatten(), nn.linear(784, 128), nn.relu(), nn.linear(128, 10)),
};
