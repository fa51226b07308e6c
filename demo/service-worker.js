/**
 * Keeps the page for when there is no network: all files of one build, put away at the first visit. The build fills in
 * version and files. Asks the network for nothing but these files, and lets everything else pass.
 *
 * A new build's worker waits until the pages of the old one are closed: those still load files on demand that the server no
 * longer has. So there is no skipWaiting here.
 */
const PREFIX = "weft-page-";
const CACHE = `${PREFIX}__VERSION__`;
const FILES = ["__FILES__"];
/** In this worker's cache: the names of the caches that there were before. */
const OLDER = "./.older-caches.json";

self.addEventListener("install", (event) => {
  const keep = async () => {
    const older = (await ownCaches()).filter((name) => name !== CACHE);
    const cache = await caches.open(CACHE);
    // Past the HTTP cache, which may still hold the old build's files.
    await cache.addAll(FILES.map((file) => new Request(file, { cache: "reload" })));
    await cache.put(OLDER, new Response(JSON.stringify(older)));
  };
  event.waitUntil(keep());
});

self.addEventListener("activate", (event) => {
  const tidy = async () => {
    const cache = await caches.open(CACHE);
    const older = await cache.match(OLDER);
    // Not simply all others: a third build's worker may be filling its cache.
    await Promise.all((older === undefined ? [] : await older.json()).map((name) => caches.delete(name)));
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
    return await fetch(request, { cache: "no-cache" });
  } catch {
    return (await (await caches.open(CACHE)).match("./")) ?? Response.error();
  }
}

/** This build's file, else one of a build that waits for its turn and whose page is open already, else the network's. */
async function fromCache(request) {
  const names = await ownCaches();
  for (const name of [CACHE, ...names.filter((other) => other !== CACHE)]) {
    const found = await (await caches.open(name)).match(request, { ignoreSearch: true, ignoreVary: true });
    if (found !== undefined) return found;
  }
  return fetch(request);
}

const ownCaches = async () => (await caches.keys()).filter((name) => name.startsWith(PREFIX));
