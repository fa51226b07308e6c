// Run in a process of its own: opens the device, builds LeNet-5 with Adam at batch 64, compiles and takes one step. Prints
// milliseconds since process start and processor time as JSON. WEFT_BUILD names the library.
import { dirname, join } from "node:path";
import { batchOf, networks, trainingGraph } from "../networks/networks.mjs";

const build = process.env.WEFT_BUILD;
const [weft, { openDevice }] = await Promise.all([import(build), import(join(dirname(build), "node.js"))]);
const loaded = performance.now();
const device = await openDevice({ backend: "webgpu" });
const opened = performance.now();
const { input, model } = networks.lenet5;
const graph = trainingGraph(weft, { input, model: model(weft), batch: 64 });
const program = await device.compile(graph.spec);
const compiled = performance.now();
const { images, labels } = batchOf(input, 64);
device.write(graph.x, images);
device.write(graph.labels, labels);
program.run();
const [loss] = await program.read(graph.loss);
const stepped = performance.now();
const { user, system } = process.cpuUsage();
const cpuMs = (user + system) / 1000;
await device.close();
console.log(JSON.stringify({ adapter: device.adapter, loss, loaded, opened, compiled, stepped, cpuMs }));
