/**
 * Limits how often Dawn polls. While a WebGPU promise is pending, npm `webgpu` calls `globalThis.setImmediate` again and again,
 * which keeps a core busy and, on a software adapter, takes it from the kernels. Here Dawn's callbacks, and no others, are
 * delayed by a millisecond each, after a short period of polling at full speed that keeps short waits short.
 */

type Callback = (...args: unknown[]) => void;

/** How long Dawn may poll at full speed at the start of a wait: readbacks from a GPU are often done by then. */
const FULL_SPEED_MS = 0.2;
const POLL_MS = 1;

// Stored here, so that fake timers installed later do not stop the GPU.
const { setImmediate, setTimeout } = globalThis;
const sourceOf = Function.prototype.toString;

let users = 0;
let polling = false;
let waitStart = 0;

/**
 * Dawn's callback is an anonymous native function without parameters that has a prototype. Functions written in JavaScript,
 * bound functions and promise resolvers are not. If a new version of Dawn passes something else, it polls at full speed again
 * and dawn-process.test.ts fails.
 */
function isDawnCallback(callback: unknown, args: unknown[]): callback is () => void {
  return (
    args.length === 0 &&
    typeof callback === "function" &&
    callback.name === "" &&
    callback.length === 0 &&
    Object.hasOwn(callback, "prototype") &&
    sourceOf.call(callback).endsWith("{ [native code] }")
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

function limitedImmediate(callback: Callback, ...args: unknown[]): unknown {
  if (!isDawnCallback(callback, args)) return setImmediate(callback, ...args);
  // A call from within Dawn's own callback continues a wait, any other begins one.
  if (!polling) waitStart = performance.now();
  if (performance.now() - waitStart < FULL_SPEED_MS) return setImmediate(poll, callback);
  return setTimeout(poll, POLL_MS, callback);
}
// Copies name, length and the symbol that util.promisify looks for.
Object.defineProperties(limitedImmediate, Object.getOwnPropertyDescriptors(setImmediate));

/** Limits Dawn's polling until the returned function is called. Calls may overlap. */
export function limitDawnPolling(): () => void {
  users += 1;
  if (users === 1 && globalThis.setImmediate === setImmediate) {
    globalThis.setImmediate = limitedImmediate as typeof globalThis.setImmediate;
  }
  let active = true;
  return () => {
    if (!active) return;
    active = false;
    users -= 1;
    const installed: unknown = globalThis.setImmediate;
    if (users === 0 && installed === limitedImmediate) globalThis.setImmediate = setImmediate;
  };
}
