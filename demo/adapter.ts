/** The page's GPU, if it has one. */

export const findAdapter = async (): Promise<GPUAdapter | null> =>
  (await (navigator.gpu as GPU | undefined)?.requestAdapter({ powerPreference: "high-performance" })) ?? null;
