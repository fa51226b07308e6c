// Writes golden.json: losses of the first steps of every network, computed by Weft's CPU reference in float64 from the start
// weights of seed 0. `node bench/networks/golden.mjs [NAME…]` takes minutes; run it when networks or initialisers change.
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { libraryBuild } from "../build.mjs";
import { batchOf, CHECKED_STEPS, DISTINCT, goldenKey, networks, trainingGraph } from "./networks.mjs";

export const GOLDEN = new URL("golden.json", import.meta.url);

/** The losses before each of the first steps. */
export async function referenceLosses(weft, name, batch) {
  const network = networks[name];
  const backend = new weft.CpuBackend({ bits: 64 });
  const graph = trainingGraph(weft, { ...network, model: network.model(weft), batch });
  const program = await backend.compile(graph.spec);
  const { images, labels } = batchOf(network.input, batch);
  backend.write(graph.x, images);
  backend.write(graph.labels, labels);
  const losses = [];
  for (let i = 0; i < CHECKED_STEPS; i++) {
    program.run();
    losses.push((await program.read(graph.loss))[0]);
  }
  return losses;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const weft = await import(await libraryBuild());
  const golden = JSON.parse(readFileSync(GOLDEN, "utf8"));
  for (const name of process.argv.length > 2 ? process.argv.slice(2) : Object.keys(networks)) {
    const odd = networks[name].batches.filter((n) => n % DISTINCT !== 0);
    for (const batch of [DISTINCT, ...odd]) {
      golden[goldenKey(name, batch)] = await referenceLosses(weft, name, batch);
      console.log(goldenKey(name, batch), golden[goldenKey(name, batch)]);
    }
    writeFileSync(GOLDEN, `${JSON.stringify(golden, null, 1)}\n`);
  }
}
