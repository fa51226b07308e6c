/** The page: makes the parts, and carries what the visitor wants to the worker and what comes back to the parts. */
import { callWorker } from "./calls.ts";
import { byId, say } from "./dom.ts";
import { adviceWithoutWebGpu } from "./no-webgpu.ts";
import { notice } from "./notices.ts";
import { Page } from "./page.ts";
import type { DeviceInfo, SessionApi, SessionEvent } from "./protocol.ts";
import { DEFAULTS, settingsFromHash } from "./settings.ts";
import { messageOf } from "./words.ts";

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
  notice("link", "note", `The link says ${ignored.join(", ")}, which makes no sense here; the rest counts.`);

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

/** How much a visitor will want to wait for. */
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
    `There is no WebGPU here. ${advice} Until then this page trains on the CPU reference, slowly.`,
  );
}
