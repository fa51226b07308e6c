/** `weft info`: the adapters that Weft finds on this machine, and what they allow. */
import { DeviceError } from "../../../common/errors.ts";
import { version } from "../../../common/version.ts";
import { openDawn } from "../../device/dawn.ts";
import { tuneDirectory } from "../../device/tune-store.ts";
import { dataDirectory } from "../../files/cache-folder.ts";
import { count } from "../output/format.ts";
import { say, sayJson } from "../output/terminal.ts";

/** The limits that training meets. */
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

type Found = AdapterFacts | { readonly missing: string };

export async function info({ json }: { readonly json?: true }): Promise<number> {
  const hardware = await look(false);
  const software = await look(true);
  const here = { weft: version, node: process.version, platform: `${process.platform}-${process.arch}` };
  const dataDir = dataDirectory();
  const tuneDir = tuneDirectory();
  if (json) sayJson({ ...here, dataDir, tuneDir, hardware, software });
  else {
    const lines = [
      `Weft ${here.weft}, Node ${here.node}, ${here.platform}`,
      `Data directory: ${dataDir}`,
      `Kernel choices of weft tune: ${tuneDir}`,
      ...describe("GPU", hardware),
      ...describe("Software adapter", software),
      usage(hardware, software),
    ];
    say(...lines);
  }
  return 0;
}

async function look(software: boolean): Promise<Found> {
  try {
    const { adapter, driver, close } = await openDawn({ software });
    try {
      const { vendor, architecture } = adapter.info;
      const limits = Object.fromEntries(LIMITS.map((name) => [name, adapter.limits[name]]));
      return { name: driver, vendor, architecture, limits, features: [...adapter.features].sort() };
    } finally {
      await close();
    }
  } catch (error) {
    if (error instanceof DeviceError) return { missing: error.message };
    throw error;
  }
}

function describe(kind: string, found: Found): string[] {
  if ("missing" in found) return [`${kind}: none (${found.missing})`];
  const width = Math.max(...LIMITS.map((name) => name.length));
  return [
    `${kind}: ${found.name} (${found.vendor} ${found.architecture})`,
    ...Object.entries(found.limits).map(([name, value]) => `  ${name.padEnd(width)}  ${count(value)}`),
    `  features: ${found.features.join(", ")}`,
  ];
}

function usage(hardware: Found, software: Found): string {
  if (!("missing" in hardware)) return "weft train will use the GPU.";
  if (!("missing" in software))
    return "weft train will use the software adapter: correct, but as fast as this CPU.";
  return "weft train will use the CPU reference, which is slow.";
}
