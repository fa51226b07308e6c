// The page of one library in Chromium: does what worker.mjs does in Node, asked by the parent through `weftBench.ask`.
import { countCalls } from "./count.mjs";
import { stepRequests } from "./step-requests.mjs";

const adapter = (await navigator.gpu?.requestAdapter())?.info;
const host = {
  gpu: navigator.gpu,
  countCalls: () => countCalls(globalThis),
  adapter: adapter && {
    vendor: adapter.vendor,
    architecture: adapter.architecture,
    device: adapter.device,
    description: adapter.description || `Chromium, ${adapter.architecture}`,
  },
  cpuMs: () => Number.NaN,

  async loadProblem(batch) {
    const { weights, images, labels } = await (await fetch(`/problem?batch=${batch}`)).json();
    for (const weight of Object.values(weights)) weight.data = Float32Array.from(weight.data);
    return { batch, weights, images: Float32Array.from(images), labels: Int32Array.from(labels) };
  },
};

globalThis.weftBench = {
  async ask(method, args) {
    try {
      if (!adapter) throw new Error("this page finds no WebGPU adapter");
      return { result: await stepRequests[method](args, host) };
    } catch (error) {
      return { error: String(error?.stack ?? error), unavailable: error?.name === "Unavailable" };
    }
  },
};
