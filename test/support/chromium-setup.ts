/** Runs before the chromium project starts its browser. */
export { unpackChromium as default } from "./drivers.ts";
