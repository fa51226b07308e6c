// Child process that runs one JavaScript library on Dawn and does what the parent asks. One process per library, so
// that devices, compilers and garbage of one library don't disturb another; a waiting child uses no processor time.
import { cpuUsage } from "node:process";
import { create as createGpu, globals } from "webgpu";
import { countCalls } from "./count.mjs";
import { paceDawnPolling } from "./pacing.mjs";
import { loadProblem } from "./problem.mjs";
import { sessionRequests } from "./session-requests.mjs";
import { stepRequests } from "./step-requests.mjs";

paceDawnPolling();
Object.assign(globalThis, globals);
const gpu = createGpu([]);
if (globalThis.navigator === undefined) {
  Object.defineProperty(globalThis, "navigator", { value: { userAgent: "Node.js" }, configurable: true });
}
Object.defineProperty(globalThis.navigator, "gpu", { value: gpu, configurable: true });

const adapter = (await gpu.requestAdapter())?.info;
const host = {
  gpu,
  loadProblem,
  countCalls: () => countCalls(globals),
  adapter: adapter && describe(adapter),
  cpuMs() {
    const { user, system } = cpuUsage();
    return (user + system) / 1000;
  },
};

const requests = {
  ...stepRequests,
  ...sessionRequests,

  async adapter() {
    return host.adapter;
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
    if (!adapter) throw new Error("Dawn finds no adapter: check the Vulkan driver (--driver)");
    process.send({ id, result: await requests[method](args, host) });
  } catch (error) {
    process.send({ id, error: String(error?.stack ?? error), unavailable: error?.name === "Unavailable" });
  }
});
process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));

function describe({ vendor, architecture, device, description }) {
  return { vendor, architecture, device, description };
}
