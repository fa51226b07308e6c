/** The entry of the page: starts the worker, opens a device and shows what was found. */

import { byId, say } from "./dom.ts";
import { messageOf } from "./format.ts";
import { adviceWithoutWebGpu } from "./no-webgpu.ts";
import { notice } from "./notices.ts";
import { Page } from "./page.ts";
import type { DeviceInfo, SessionApi, SessionEvent } from "./protocol.ts";
import { DEFAULTS, settingsFromHash } from "./settings.ts";
import { callWorker } from "./worker-calls.ts";

const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "training" });
worker.addEventListener("error", (event) => {
  notice(
    "worker",
    "error",
    `The training worker stopped: ${event.message || "it could not be loaded"}. Reload the page.`,
  );
});
const session = callWorker<SessionApi, SessionEvent>(worker, (event) => page.hear(event));

const { settings, ignored } = settingsFromHash(location.hash);
if (ignored.length > 0)
  notice("link", "note", `Ignored unknown settings in the link: ${ignored.join(", ")}.`);

const page = new Page(session, settings);
const gpu = navigator.gpu as GPU | undefined;
try {
  const { device, recipes } = await session.open(
    gpu === undefined ? "cpu" : settings.device,
    new URL("./data/", location.href).href,
  );
  tellDevice(device);
  const images = new URLSearchParams(location.hash.slice(1)).has("images")
    ? settings.images
    : imagesFor(device);
  await page.begin(recipes, { ...settings, images, device: gpu === undefined ? "cpu" : settings.device });
} catch (error) {
  page.fail(messageOf(error));
}

if (import.meta.env.PROD && "serviceWorker" in navigator && isSecureContext) {
  navigator.serviceWorker.register("./sw.js", { updateViaCache: "none" }).catch(() => undefined);
}

/** Fewer training images on slow devices, so that an epoch does not take too long. */
function imagesFor({ kind, software }: DeviceInfo): number {
  if (kind === "cpu") return 2_000;
  return software ? 10_000 : DEFAULTS.images;
}

function tellDevice({ adapter, kind, software }: DeviceInfo): void {
  const name = software ? `${adapter} (software)` : adapter;
  say(byId("adapter"), kind === "cpu" ? "CPU reference, no GPU" : `${name}, WebGPU`);
  byId("device").classList.add(kind === "cpu" || software ? "slow" : "fast");
  if (kind === "webgpu" || settings.device === "cpu") return;
  const advice = adviceWithoutWebGpu({
    userAgent: navigator.userAgent,
    secure: isSecureContext,
    hasApi: gpu !== undefined,
  });
  notice(
    "webgpu",
    "error",
    `WebGPU is not available. ${advice} Until then this page trains on the CPU, which is slow.`,
  );
}
