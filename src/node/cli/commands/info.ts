/** `weft info`: the adapters that Weft finds on this machine with their limits and features, and the folders it uses. */
import { DeviceError } from "../../../validation/errors.ts";
import { version } from "../../../version.ts";
import { openDawn } from "../../device/dawn.ts";
import { tuneDirectory } from "../../device/tune-store.ts";
import { dataDirectory } from "../../files/cache-folder.ts";
import { count, table } from "../output/format.ts";
import { print, printJson } from "../output/terminal.ts";

/** The limits that training can reach. */
const LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupsPerDimension",
] as const;

interface AdapterFacts {
  readonly name: string;
  readonly vendor: string;
  readonly architecture: string;
  readonly limits: Readonly<Record<string, number>>;
  readonly features: readonly string[];
}

/** `missing`: why there is no adapter. */
type Adapter = AdapterFacts | { readonly missing: string };

export async function info({ json }: { readonly json?: true }): Promise<number> {
  const hardware = await findAdapter(false);
  const software = await findAdapter(true);
  const here = { weft: version, node: process.version, platform: `${process.platform}-${process.arch}` };
  const folders = { dataDir: dataDirectory(), tuneDir: tuneDirectory() };
  if (json) printJson({ ...here, ...folders, hardware, software });
  else
    print(
      `Weft ${here.weft}, Node ${here.node}, ${here.platform}`,
      `Data folder: ${folders.dataDir}`,
      `Kernel choices of weft tune: ${folders.tuneDir}`,
      ...describe("GPU", hardware),
      ...describe("Software adapter", software),
      `weft train will use ${choice(hardware, software)}.`,
    );
  return 0;
}

async function findAdapter(software: boolean): Promise<Adapter> {
  try {
    const { adapter, driver, close } = await openDawn({ software });
    const { vendor, architecture } = adapter.info;
    const limits = Object.fromEntries(LIMITS.map((name) => [name, adapter.limits[name]]));
    const features = [...adapter.features].sort();
    await close();
    return { name: driver, vendor, architecture, limits, features };
  } catch (error) {
    if (error instanceof DeviceError) return { missing: error.message };
    throw error;
  }
}

function describe(kind: string, adapter: Adapter): string[] {
  if ("missing" in adapter) return [`${kind}: none (${adapter.missing})`];
  const limits = Object.entries(adapter.limits).map(([name, value]) => [`  ${name}`, count(value)]);
  return [
    `${kind}: ${adapter.name} (${adapter.vendor} ${adapter.architecture})`,
    ...table(limits),
    `  features: ${adapter.features.join(", ")}`,
  ];
}

function choice(hardware: Adapter, software: Adapter): string {
  if (!("missing" in hardware)) return "the GPU";
  if ("missing" in software) return "the CPU reference, which is slow";
  return "the software adapter, which computes correctly at the speed of the CPU";
}
