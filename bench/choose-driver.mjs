// Chooses the Vulkan driver of a benchmark: the one that the environment names, else hardware, else SwiftShader. Also tells
// whether an adapter is hardware.
import { startContender } from "./peers/contender.mjs";
import { driverEnvironment } from "./peers/driver.mjs";

export const isHardware = (adapter) =>
  !/swiftshader|llvmpipe|lavapipe|softpipe|\bsoftware\b/i.test(JSON.stringify(adapter));

/** `driver`: "env", "swiftshader" or undefined. */
export async function chooseDriver(driver) {
  if (driver !== undefined) return driver;
  if (process.env.VK_ICD_FILENAMES || process.env.VK_DRIVER_FILES) return "env";
  const probe = startContender("weft", driverEnvironment("env"));
  const adapter = await probe.ask("adapter").catch(() => undefined);
  await probe.ask("stop").catch(() => undefined);
  return adapter !== undefined && isHardware(adapter) ? "env" : "swiftshader";
}
