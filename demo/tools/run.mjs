// Runs one of the page's tools, written in TypeScript, through Vite: `node demo/tools/run.mjs screenshots`.
import { fileURLToPath } from "node:url";
import { createServer } from "vite";

const root = fileURLToPath(new URL("../..", import.meta.url));
const server = await createServer({
  root,
  configFile: false,
  appType: "custom",
  logLevel: "error",
  server: { middlewareMode: true, hmr: false, watch: null, ws: false },
  optimizeDeps: { noDiscovery: true },
});
const [name, ...rest] = process.argv.slice(2);
const { main } = await server.ssrLoadModule(`/demo/tools/${name}.ts`);
process.exitCode = await main(rest);
await server.close();
