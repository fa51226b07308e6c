// What the parent can ask a child about single kernels: open the library, make a case ready, check it, time it.
import { inputsOf } from "../kernels/cases.mjs";

const MODULES = {
  weft: () => import("./libraries/weft-kernels.mjs"),
  "jax-js": () => import("./libraries/jax-js-kernels.mjs"),
  tfjs: () => import("./libraries/tfjs-kernels.mjs"),
};

let library;
let session;

export const kernelRequests = {
  async open({ library: name }, { gpu }) {
    library = await (await MODULES[name]()).open({ gpu });
    return {};
  },

  /** Makes a case ready, compilation included, and gives its results. */
  async build({ testCase }) {
    session = await library.build(testCase, inputsOf(testCase));
    return { outputs: await session.outputs() };
  },

  /** Milliseconds of k runs and one wait. */
  async time({ k }) {
    const begin = performance.now();
    await session.run(k);
    return { ms: performance.now() - begin };
  },

  async free() {
    await session?.free();
    session = undefined;
    return {};
  },
};
