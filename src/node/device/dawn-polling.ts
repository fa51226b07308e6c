/**
 * Keeps Dawn from spinning. While a WebGPU promise is pending, npm `webgpu` asks `globalThis.setImmediate` again and
 * again to call it back, which burns a core and, on a software adapter, takes that core from the kernels. Here its own
 * callbacks, and no others, wait a millisecond between two looks, after a short spin that keeps quick answers quick.
 */

type Callback = (...args: unknown[]) => void;

/** How long after the start of a wait Dawn may still spin: a readback from a real GPU is often done by then. */
const SPIN_MS = 0.2;
const POLL_MS = 1;

// Taken once, so that fake timers installed later do not stop the GPU.
const soon = globalThis.setImmediate;
const later = globalThis.setTimeout;
const source = Function.prototype.toString;

let users = 0;
let polling = false;
let waitStart = 0;

/**
 * Dawn's callback is an anonymous native function without arguments that can be constructed. No function written in
 * JavaScript is, nor one made by `bind`, nor a promise's resolver. Were a new version of Dawn to pass another, it would
 * spin again and a test would say so.
 */
function isDawnCallback(callback: unknown, args: unknown[]): callback is () => void {
  return (
    args.length === 0 &&
    typeof callback === "function" &&
    callback.name === "" &&
    callback.length === 0 &&
    Object.hasOwn(callback, "prototype") &&
    source.call(callback).endsWith("{ [native code] }")
  );
}

function poll(callback: () => void): void {
  polling = true;
  try {
    callback();
  } finally {
    polling = false;
  }
}

function pacedImmediate(callback: Callback, ...args: unknown[]): unknown {
  if (!isDawnCallback(callback, args)) return soon(callback, ...args);
  // Asked from within its own callback, Dawn goes on with a wait; else it begins one.
  if (!polling) waitStart = performance.now();
  if (performance.now() - waitStart < SPIN_MS) return soon(poll, callback);
  return later(poll, POLL_MS, callback);
}
// Its name, its length and its form for util.promisify.
Object.defineProperties(pacedImmediate, Object.getOwnPropertyDescriptors(soon));

/** Paces Dawn until the function returned is called; several users may overlap. */
export function paceDawn(): () => void {
  users += 1;
  if (users === 1 && globalThis.setImmediate === soon) {
    globalThis.setImmediate = pacedImmediate as typeof setImmediate;
  }
  let active = true;
  return () => {
    if (!active) return;
    active = false;
    users -= 1;
    const installed: unknown = globalThis.setImmediate;
    if (users === 0 && installed === pacedImmediate) globalThis.setImmediate = soon;
  };
}
