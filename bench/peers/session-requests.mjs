// Requests of the parent about single kernels and whole networks: open a library, prepare sessions, time them in any order. A
// session is a compiled kernel or network with a name.
import { inputsOf } from "../kernels/cases.mjs";
import { openPeak } from "../peaks/peaks.mjs";

const MODULES = {
  weft: () => import("./libraries/weft-sessions.mjs"),
  "jax-js": () => import("./libraries/jax-js-kernels.mjs"),
  tfjs: () => import("./libraries/tfjs-kernels.mjs"),
};

let library;
const sessions = new Map();

export const sessionRequests = {
  async open({ library: name }, { gpu }) {
    library = await (await MODULES[name]()).open({ gpu });
    return {};
  },

  /** Prepares a kernel and gives its results. */
  async build({ testCase }) {
    const session = await library.build(testCase, inputsOf(testCase));
    sessions.set(testCase.name, session);
    return { outputs: await session.outputs() };
  },

  /** Prepares a network's training step; gives its first losses and its dispatches. */
  async network({ id, name, batch }) {
    const session = await library.network(name, batch);
    sessions.set(id, session);
    return session.about;
  },

  /** Prepares a kernel that measures a limit of the adapter. */
  async peak({ id, peakCase }, { gpu }) {
    sessions.set(id, await openPeak(gpu, peakCase));
    return {};
  },

  /** Milliseconds of k runs and one wait. */
  async time({ id, k }) {
    const session = sessions.get(id);
    const begin = performance.now();
    await session.run(k);
    return { ms: performance.now() - begin };
  },

  /** Every WebGPU call of k runs; not for timing. */
  async countRuns({ id, k }, { countCalls }) {
    const counter = countCalls();
    await sessions.get(id).run(k);
    return { counts: counter.stop() };
  },

  /** Median milliseconds of each dispatch by the adapter's clock; throws where it has no timestamps. */
  async profile({ id, times }) {
    const rounds = [];
    for (let i = 0; i < times; i++) rounds.push(await sessions.get(id).profile());
    return rounds[0].map(({ label }, d) => {
      const found = rounds.map((round) => round[d].milliseconds).sort((a, b) => a - b);
      return { label, milliseconds: found[times >> 1] };
    });
  },

  async free({ id }) {
    await sessions.get(id)?.free();
    sessions.delete(id);
    return {};
  },
};
