/** Before the chromium project starts its browser: unpack it. */
import { unpackChromium } from "./drivers";

export default async function setup(): Promise<void> {
  await unpackChromium();
}
