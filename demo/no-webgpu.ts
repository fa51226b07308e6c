/** What a visitor without WebGPU can do in their browser, in one or two sentences. */

export interface BrowserFacts {
  readonly userAgent: string;
  /** False for pages served neither over https nor from localhost. */
  readonly secure: boolean;
  /** Whether `navigator.gpu` exists, although it has no adapter. */
  readonly hasApi: boolean;
}

export function adviceWithoutWebGpu({ userAgent, secure, hasApi }: BrowserFacts): string {
  if (!secure)
    return "Browsers offer WebGPU only to pages over https or from localhost: open this page at such an address.";
  const version = (pattern: RegExp) => Number(pattern.exec(userAgent)?.[1] ?? 0);
  const ios = /iPhone|iPad/.test(userAgent);
  const firefox = version(/Firefox\/(\d+)/);
  const chromium = version(/Chrom(?:e|ium)\/(\d+)/);
  const safari = version(/Version\/(\d+)[^ ]* (?:Mobile\/\w+ )?Safari/);
  if (ios)
    return "On iPhone and iPad WebGPU comes with iOS 26: update the system, then open this page again.";
  if (firefox > 0) {
    return firefox < 141
      ? "Update Firefox to version 141 or newer; on Linux and Android also set dom.webgpu.enabled to true in about:config."
      : "In Firefox, open about:config, set dom.webgpu.enabled to true, and reload this page.";
  }
  if (chromium > 0) {
    if (chromium < 113)
      return "Update this browser: WebGPU comes with version 113 or newer of Chrome and Edge.";
    if (/Linux/.test(userAgent) && !/Android/.test(userAgent)) {
      return "On Linux, open chrome://flags, enable “Unsafe WebGPU Support” and “Vulkan”, and restart the browser.";
    }
    return hasApi
      ? "This browser has WebGPU but no graphics adapter for it: switch on hardware acceleration in its settings, update the graphics driver, and see chrome://gpu."
      : "Switch on hardware acceleration in the browser's settings, under “System”, and restart it.";
  }
  if (safari > 0) return "Update to Safari 26 or newer, or use Chrome or Edge.";
  return "Use a recent Chrome, Edge, Safari or Firefox.";
}
