/**
 * Keeps the page for when there is no network: all files of one build, put away at the first visit. The build fills in
 * version and files. Asks the network for nothing but these files, and lets everything else pass.
 */
const CACHE = "weft-page-__VERSION__";
const FILES = ["__FILES__"];

self.addEventListener("install", (event) => {
  event.waitUntil(
    caches
      .open(CACHE)
      .then((cache) => cache.addAll(FILES))
      .then(() => self.skipWaiting()),
  );
});

self.addEventListener("activate", (event) => {
  const tidy = async () => {
    const names = await caches.keys();
    const old = names.filter((name) => name.startsWith("weft-page-") && name !== CACHE);
    await Promise.all(old.map((name) => caches.delete(name)));
    await self.clients.claim();
  };
  event.waitUntil(tidy());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || new URL(request.url).origin !== self.location.origin) return;
  // The network first for the page itself, so that a new build is seen; the cache first for files named by content.
  event.respondWith(request.mode === "navigate" ? navigate(request) : fromCache(request));
});

async function navigate(request) {
  try {
    return await fetch(request);
  } catch {
    return (await fromCaches("./")) ?? Response.error();
  }
}

async function fromCache(request) {
  return (await fromCaches(request)) ?? fetch(request);
}

async function fromCaches(request) {
  const cache = await caches.open(CACHE);
  return cache.match(request, { ignoreSearch: true, ignoreVary: true });
}
