/** Stores measured kernel choices of a page or worker in Cache Storage, which is available wherever WebGPU is. */
import type { TuneStore } from "../runtime/backend.ts";

const keyOf = (adapter: string) => `https://weft.invalid/tune/${encodeURIComponent(adapter)}`;

/** A store in the cache `name`, shared by all pages of an origin. */
export function cacheTuneStore(name = "weft-tune"): TuneStore {
  return {
    place: `Cache Storage (${name})`,
    load: async (adapter) => (await (await caches.open(name)).match(keyOf(adapter)))?.text(),
    save: async (adapter, text) => (await caches.open(name)).put(keyOf(adapter), new Response(text)),
  };
}
