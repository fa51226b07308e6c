// `npm run bench:pack`: writes an archive that runs the whole benchmark on a machine with a GPU and no access to packages: Node,
// Dawn, a Vulkan loader, the library, the other libraries as bundles, the golden data. For the platform that packs it.
import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";
import { libraryBuild, ROOT } from "../build.mjs";
import { unpackSwiftShader } from "../peers/driver.mjs";

const MOST_BYTES = 60e6;
const NAME = "weft-bench";
const CACHE = join(ROOT, "bench/.cache");
const folder = join(CACHE, NAME);
const archive = join(CACHE, `${NAME}.tar.gz`);
/** Parts of the tree that are copied unchanged; scripts keep their relative paths, so that imports work. */
const COPIED = [
  "bench/choose-driver.mjs",
  "bench/format.mjs",
  "bench/plot.mjs",
  "bench/print.mjs",
  "bench/suite.mjs",
  "bench/fresh",
  "bench/kernels",
  "bench/networks",
  "bench/pack/packed.mjs",
  "bench/peaks",
  ...[
    "contender",
    "count",
    "driver",
    "generator",
    "gpt-problem",
    "kernels",
    "lstm-problem",
    "networks",
    "pacing",
    "problem",
    "report",
    "session-requests",
    "settings",
    "step-requests",
  ]
    .concat("steps", "worker")
    .map((name) => `bench/peers/${name}.mjs`),
  "bench/peers/sizes.json",
  "bench/peers/torch_networks.py",
  "bench/peers/torch_step.py",
  "test/fixtures/golden/lenet5",
  "LICENSE",
];
/** Their packages are bundled into them. */
const LIBRARIES = [
  ...["jax-js-kernels", "tfjs-kernels", "weft-build", "weft-sessions", "weft-training"],
  ...["jax-js", "tfjs", "weft"].map((name) => `lenet5/${name}`),
];

const peers = join(ROOT, "bench/peers");
if (!existsSync(join(peers, "node_modules")))
  throw new Error("bench:pack: run npm install in bench/peers first");
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });

const library = dirname(await libraryBuild());
await bundle({ index: join(library, "index.js"), node: join(library, "node.js") }, join(folder, "weft"));
for (const name of COPIED) cpSync(join(ROOT, name), join(folder, name), { recursive: true });
const libraries = join(folder, "bench/peers/libraries");
for (const name of LIBRARIES) {
  const file = join(peers, `libraries/${name}.mjs`);
  if (name.includes("weft")) cpSync(file, join(libraries, `${name}.mjs`));
  else await bundle({ [name]: file }, libraries, "mjs");
}
const dawn = dirname(createRequire(import.meta.url).resolve("webgpu"));
const platform = `dist/${process.platform}-${process.arch}`;
for (const part of ["index.js", "package.json", "LICENSE.md", platform])
  cpSync(join(dawn, part), join(folder, "node_modules/webgpu", part), { recursive: true });
mkdirSync(join(folder, "lib"));
cpSync(join(unpackSwiftShader(), "libvulkan.so.1"), join(folder, "lib/libvulkan.so.1"), {
  dereference: true,
});
cpSync(process.execPath, join(folder, "node"), { dereference: true });
cpSync(fileURLToPath(new URL("run.sh", import.meta.url)), join(folder, "run.sh"));
for (const program of ["node", "run.sh"]) chmodSync(join(folder, program), 0o755);
writeFileSync(
  join(folder, "package.json"),
  `${JSON.stringify({ name: NAME, private: true, type: "module" })}\n`,
);

execFileSync("tar", ["-czf", archive, "-C", CACHE, NAME]);
const { size } = statSync(archive);
if (size > MOST_BYTES) throw new Error(`bench:pack: ${archive} has ${size} bytes, more than ${MOST_BYTES}`);
console.log(`${archive}: ${(size / 1e6).toFixed(1)} MB. There: tar -xzf ${NAME}.tar.gz && ${NAME}/run.sh`);

/** Bundles modules with everything they import, except Node's own modules and Dawn. */
async function bundle(entry, outDir, ending = "js") {
  await build({
    root: ROOT,
    configFile: false,
    logLevel: "error",
    build: {
      ssr: true,
      target: "es2023",
      minify: true,
      outDir,
      emptyOutDir: false,
      rollupOptions: { input: entry, external: ["webgpu"], output: { entryFileNames: `[name].${ending}` } },
    },
    ssr: { noExternal: true, external: ["webgpu"], target: "node" },
  });
}
