/**
 * `npm run bench`: LeNet-5's training step and single kernels on this machine's adapter. Every result is checked
 * against the CPU reference or the golden losses before a time is shown. Options: --json FILE, --only TEXT.
 */
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import type { GpuBackend } from "../src/index.ts";
import { openDevice } from "../src/node/index.ts";
import { kernelCases } from "./kernels.ts";
import { benchLenet5 } from "./lenet5.ts";
import { measureKernel } from "./measure.ts";
import { printKernels, printStep } from "./print.ts";

export async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: { json: { type: "string" }, only: { type: "string" } } });
  const wanted = (name: string) => values.only === undefined || name.includes(values.only);
  const device = (await openDevice({ backend: "webgpu" })) as GpuBackend;
  console.log(`Adapter: ${device.adapter}${device.software ? " (software)" : ""}\n`);
  const step = wanted("lenet5") ? await benchLenet5(device) : undefined;
  if (step !== undefined) printStep(step);
  const kernels = [];
  for (const c of kernelCases) if (wanted(c.name)) kernels.push(await measureKernel(device, c));
  printKernels(kernels);
  const failed = kernels.filter((k) => !k.right).length + (step?.right === false ? 1 : 0);
  if (values.json !== undefined) {
    const result = { adapter: device.adapter, date: new Date().toISOString(), step, kernels };
    await writeFile(values.json, `${JSON.stringify(result, null, 2)}\n`);
  }
  await device.close();
  return failed === 0 ? 0 : 1;
}
