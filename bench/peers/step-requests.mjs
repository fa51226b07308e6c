// Requests of the parent about training steps: build the network, take steps, give losses.
import { NETWORKS } from "./networks.mjs";

let session;

export const stepRequests = {
  /** Loads the library, builds the network and does the first step, each timed. */
  async start({ library, batch, network }, { gpu, loadProblem, adapter }) {
    const { folder, load = loadProblem } = NETWORKS[network];
    const problem = await load(batch, network);
    const begin = performance.now();
    const { create } = await import(`./libraries/${folder}/${library}.mjs`);
    const loaded = performance.now();
    session = await create({ ...problem, gpu });
    const created = performance.now();
    const losses = await session.firstLosses(1);
    const stepped = performance.now();
    return {
      adapter,
      loadMs: loaded - begin,
      createMs: created - loaded,
      firstStepMs: stepped - created,
      losses: [...losses],
    };
  },

  async firstLosses({ n }) {
    return { losses: [...(await session.firstLosses(n))] };
  },

  /** k steps, one loss at the end; wall time and, where the host knows it, processor time of the process. */
  async steps({ k }, { cpuMs }) {
    const cpuBefore = cpuMs();
    const begin = performance.now();
    const loss = await session.steps(k);
    const ms = performance.now() - begin;
    return { loss, ms, cpuMs: cpuMs() - cpuBefore };
  },

  /** k steps with every WebGPU call counted; not for timing. */
  async count({ k }, { countCalls }) {
    const counter = countCalls();
    await session.steps(k);
    return { counts: counter.stop() };
  },

  /** Milliseconds per dispatch; only Weft's sessions have it. Takes steps. */
  async stepProfile() {
    return { times: await session.profile() };
  },
};
