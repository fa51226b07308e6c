/**
 * Makes the page work offline: caches all files of one build at the first visit. The build inserts version and files. Requests
 * for anything else are passed on.
 *
 * There is no skipWaiting: a new build's worker waits until the pages of the old one are closed, because those load files on
 * demand that the server no longer has.
 */
const PREFIX = "weft-page-";
const CACHE = `${PREFIX}__VERSION__`;
const FILES = ["__FILES__"];
/** An entry of this worker's cache with the names of all older caches. */
const OLDER = "./.older-caches.json";

self.addEventListener("install", (event) => {
  const keep = async () => {
    const older = (await ownCaches()).filter((name) => name !== CACHE);
    const cache = await caches.open(CACHE);
    // Bypasses the HTTP cache, which may still have the old build's files.
    await cache.addAll(FILES.map((file) => new Request(file, { cache: "reload" })));
    await cache.put(OLDER, new Response(JSON.stringify(older)));
  };
  event.waitUntil(keep());
});

self.addEventListener("activate", (event) => {
  const tidy = async () => {
    const cache = await caches.open(CACHE);
    const older = await cache.match(OLDER);
    // Not all other caches: the worker of a third build may be filling its own.
    await Promise.all((older === undefined ? [] : await older.json()).map((name) => caches.delete(name)));
    await self.clients.claim();
  };
  event.waitUntil(tidy());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || new URL(request.url).origin !== self.location.origin) return;
  // The page itself comes from the network first, so that new builds appear; files with hashed names from the cache first.
  event.respondWith(request.mode === "navigate" ? navigate(request) : fromCache(request));
});

async function navigate(request) {
  try {
    return await fetch(request, { cache: "no-cache" });
  } catch {
    return (await (await caches.open(CACHE)).match("./")) ?? Response.error();
  }
}

/** The file of this build, else that of a waiting build whose page is already open, else from the network. */
async function fromCache(request) {
  const names = await ownCaches();
  for (const name of [CACHE, ...names.filter((other) => other !== CACHE)]) {
    const found = await (await caches.open(name)).match(request, { ignoreSearch: true, ignoreVary: true });
    if (found !== undefined) return found;
  }
  return fetch(request);
}

const ownCaches = async () => (await caches.keys()).filter((name) => name.startsWith(PREFIX));
