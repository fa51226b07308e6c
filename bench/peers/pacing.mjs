// Dawn in Node asks for its finished work through setImmediate in a tight loop while any promise is pending, which takes
// a core away from a software adapter. This puts a short sleep before each of those polls: 20 microseconds at first,
// longer the longer one wait has lasted, half a millisecond at most. All libraries get the same.

const FIRST_SLEEP_MS = 0.02;
const LONGEST_SLEEP_MS = 0.5;

/** Replaces globalThis.setImmediate for good, also against libraries that bring a pacing of their own. */
export function paceDawnPolling() {
  const original = globalThis.setImmediate;
  const cell = new Int32Array(new SharedArrayBuffer(4));
  let waitStarted = 0;
  let polling = false;

  function poll(callback, sleep) {
    Atomics.wait(cell, 0, 0, sleep);
    polling = true;
    try {
      callback();
    } finally {
      polling = false;
    }
  }

  function paced(callback, ...args) {
    if (!isDawnCallback(callback)) return original(callback, ...args);
    const now = performance.now();
    if (!polling) waitStarted = now; // asked from inside its own poll, Dawn continues a wait; else it begins one
    const sleep = Math.min(Math.max((now - waitStarted) / 20, FIRST_SLEEP_MS), LONGEST_SLEEP_MS);
    return original(poll, callback, sleep);
  }
  Object.defineProperties(paced, Object.getOwnPropertyDescriptors(original));
  Object.defineProperty(globalThis, "setImmediate", { get: () => paced, set: () => {}, configurable: true });
}

/** Dawn's poll is a nameless C++ function; bound functions and promise resolvers are native too, but have no prototype. */
function isDawnCallback(callback) {
  return (
    typeof callback === "function" &&
    callback.name === "" &&
    Object.hasOwn(callback, "prototype") &&
    Function.prototype.toString.call(callback).includes("[native code]")
  );
}
