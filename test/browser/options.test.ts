/** Options of what Weft adds in a page: see test/options.test.ts. */
import * as page from "../../src/browser/index.ts";
import { walkOptions } from "../support/walk-options.ts";

walkOptions(
  "weft/browser",
  page,
  {
    openDevice: (o) => page.openDevice(o),
    loadDataset: (o) => page.loadDataset({ name: "none", files: [], mirrors: [] } as never, o),
    "datasets.mnist": (o) => page.datasets.mnist(o),
    "datasets.fashionMnist": (o) => page.datasets.fashionMnist(o),
  },
  ["cacheTuneStore", "pageMirrors"],
);
