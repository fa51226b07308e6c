// Runs recipes and compares the results with their goals: `npm run recipes -- [names] [--seeds 1-5] [--out FILE]`.
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
const { main } = await server.ssrLoadModule("/bench/recipes/main.ts");
process.exitCode = await main(process.argv.slice(2));
await server.close();
