/** The adapter profile: what kernel choice knows of an adapter, from what WebGPU says of it. */
import type { KernelEnv } from "../../graph/kernel.ts";

/** What a profile is made from. A GpuDevice has it; for other adapters, `CompileTarget` states it. */
export interface AdapterTraits {
  /** Whether the adapter computes on the CPU. */
  readonly software: boolean;
  /** Invocations per subgroup where the adapter has subgroups and all of one size, else 0. */
  readonly subgroupSize: number;
  readonly limits: Pick<
    GPUSupportedLimits,
    "maxComputeInvocationsPerWorkgroup" | "maxComputeWorkgroupStorageSize"
  >;
}

/** The profile of an adapter with these traits. */
export function adapterProfile({
  software,
  subgroupSize,
  limits,
}: AdapterTraits): Omit<KernelEnv, "variant"> {
  return {
    barrierCost: software ? "high" : "low",
    parallelism: software ? "low" : "high",
    // SwiftShader compiles for 4 lanes; lavapipe for 8 or 16, which takes many times as long.
    compileCost: software && subgroupSize > 4 ? "high" : "low",
    subgroupSize,
    maxWorkgroupSize: limits.maxComputeInvocationsPerWorkgroup,
    maxWorkgroupMemory: limits.maxComputeWorkgroupStorageSize,
  };
}
