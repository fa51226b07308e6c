// Where Weft's own build is: WEFT_BUILD names an index.js, else the root's dist. Every process loads it once.

/** The library's public names. Throws `Unavailable` when it was not built. */
export async function importWeft() {
  const build = globalThis.process?.env.WEFT_BUILD;
  try {
    return await (build ? import(build) : import("../../../dist/index.js"));
  } catch (cause) {
    if (cause.code !== "ERR_MODULE_NOT_FOUND") throw cause;
    const message = "weft is not built: npm run build in the root";
    throw Object.assign(new Error(message, { cause }), { name: "Unavailable" });
  }
}
