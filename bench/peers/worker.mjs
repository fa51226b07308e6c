// Child process that runs one JavaScript library on Dawn and steps when the parent asks. One process per library, so
// that devices, compilers and garbage of one library don't disturb another; a waiting child uses no processor time.
import { cpuUsage } from "node:process";
import { create as createGpu, globals } from "webgpu";
import { countCalls } from "./count.mjs";
import { paceDawnPolling } from "./pacing.mjs";
import { loadProblem } from "./problem.mjs";

paceDawnPolling();
Object.assign(globalThis, globals);
const gpu = createGpu([]);
if (globalThis.navigator === undefined) {
  Object.defineProperty(globalThis, "navigator", { value: { userAgent: "Node.js" }, configurable: true });
}
Object.defineProperty(globalThis.navigator, "gpu", { value: gpu, configurable: true });

let session;

const requests = {
  /** Loads the library, builds the network and does the first step, each timed. */
  async start({ library, batch }) {
    const problem = loadProblem(batch);
    const adapter = await gpu.requestAdapter();
    if (!adapter) throw new Error("Dawn finds no adapter: check the Vulkan driver (--driver)");
    const { vendor, architecture, device, description } = adapter.info;
    const begin = performance.now();
    const { create } = await import(`./libraries/${library}.mjs`);
    const loaded = performance.now();
    session = await create({ ...problem, gpu });
    const created = performance.now();
    const losses = await session.firstLosses(1);
    const stepped = performance.now();
    return {
      adapter: { vendor, architecture, device, description },
      loadMs: loaded - begin,
      createMs: created - loaded,
      firstStepMs: stepped - created,
      losses: [...losses],
    };
  },

  async firstLosses({ n }) {
    return { losses: [...(await session.firstLosses(n))] };
  },

  /** k steps, one loss at the end; wall time and processor time of this process, driver threads included. */
  async steps({ k }) {
    const cpuBefore = cpuUsage();
    const begin = performance.now();
    const loss = await session.steps(k);
    const ms = performance.now() - begin;
    const cpu = cpuUsage(cpuBefore);
    return { loss, ms, cpuMs: (cpu.user + cpu.system) / 1000 };
  },

  /** k steps with every WebGPU call counted; not for timing. */
  async count({ k }) {
    const counter = countCalls();
    await session.steps(k);
    return { counts: counter.stop() };
  },

  async memory() {
    return { peakMiB: process.resourceUsage().maxRSS / 1024 };
  },

  /** Dawn may crash while Node tears it down, so the process ends itself without that. */
  async stop() {
    setTimeout(() => process.kill(process.pid, "SIGKILL"), 50);
    return {};
  },
};

process.on("message", async ({ id, method, args }) => {
  try {
    process.send({ id, result: await requests[method](args) });
  } catch (error) {
    process.send({ id, error: String(error?.stack ?? error), unavailable: error?.name === "Unavailable" });
  }
});
process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));
