/** Options of what Weft adds in Node: see test/options.test.ts. */
import * as host from "../../src/node/index.ts";
import { walkOptions } from "../support/walk-options.ts";

const { datasets } = host;
const missing = "/nowhere/at-all";

walkOptions(
  "weft/node",
  host,
  {
    openDevice: (o) => host.openDevice(o),
    openDawn: (o) => host.openDawn(o),
    loadDataset: (o) => host.loadDataset({ name: "none", files: [], mirrors: [] } as never, o),
    "datasets.mnist": (o) => datasets.mnist(o),
    "datasets.fashionMnist": (o) => datasets.fashionMnist(o),
    "datasets.cifar10": (o) => datasets.cifar10(o),
    "datasets.usps": (o) => datasets.usps(o),
    "datasets.digits": (o) => datasets.digits(o),
    "datasets.boston": (o) => datasets.boston(o),
    "datasets.tinyshakespeare": (o) => datasets.tinyshakespeare(o),
    "datasets.csv": (o) => datasets.csv(missing, o),
    "datasets.npy": (o) => datasets.npy(missing, missing, o),
    "datasets.npz": (o) => datasets.npz(missing, o),
    "datasets.imageFolder": (o) => datasets.imageFolder(missing, o),
  },
  ["progressBar", "fileBytes", "fileTuneStore"],
);
