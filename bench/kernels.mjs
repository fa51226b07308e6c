// Writes docs/kernels.md, the catalogue of all WGSL files and entry points: `npm run kernels:docs`. Plans graphs without a
// device, so it runs on any machine and takes a few seconds.
import { fileURLToPath } from "node:url";
import { createServer } from "vite";

const root = fileURLToPath(new URL("..", import.meta.url));
const server = await createServer({
  root,
  configFile: false,
  appType: "custom",
  logLevel: "error",
  server: { middlewareMode: true, hmr: false, watch: null, ws: false },
  optimizeDeps: { noDiscovery: true },
});
const { writeCatalogue } = await server.ssrLoadModule("/bench/kernels/catalogue.mjs");
await writeCatalogue(root);
await server.close();
