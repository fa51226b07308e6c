/** Without an adapter: openDevice and the commands say that they use the CPU reference, or refuse, in processes of their own. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { bundle, runScript } from "../support/child.ts";
import { buildCli, type Cli } from "../support/cli.ts";

let built: Awaited<ReturnType<typeof bundle>>;
let cli: Cli;
beforeAll(async () => {
  [built, cli] = await Promise.all([bundle("src/node/device/open-device.ts"), buildCli()]);
});
afterAll(() => {
  built.remove();
  cli.remove();
});

/** No driver is at this place. */
const env = { VK_ICD_FILENAMES: "/nonexistent/driver.json", VK_DRIVER_FILES: undefined };

const open = (options: string) => `
  import { openDevice } from ${JSON.stringify(built.file)};
  for (let i = 0; i < 2; i++) {
    try { console.log((await openDevice(${options})).adapter); }
    catch (error) { console.log(error.constructor.name, error.name, error.message); }
  }`;

test("openDevice() warns once on stderr, and says what to install", async () => {
  const { stdout, stderr, code } = await runScript(open(""), env);
  expect(code).toBe(0);
  expect(stdout).toBe("CPU reference (float32)\nCPU reference (float32)\n");
  const lines = stderr.split("\n").filter((line) => line.includes("CPU reference"));
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(
    /No WebGPU; using the CPU reference.*Install a driver for Vulkan, or SwiftShader: npm/,
  );
});

test('openDevice({ require: "webgpu" }) throws a DeviceError', async () => {
  const { stdout, stderr } = await runScript(open('{ require: "webgpu" }'), env);
  expect(stdout).toMatch(/^(DeviceError DeviceError openDawn: no WebGPU adapter found .*\n){2}$/);
  expect(stderr).not.toContain("CPU reference");
});

test("commands say it too, apart from what --json promises", async () => {
  const run = [...["--limit", "40", "--epochs", "1", "--dataset", "synthetic"], "--save", "m.safetensors"];
  const train = await cli.run(["train", "mlp", ...run], { env });
  expect(train.code).toBe(0);
  expect(train.stdout).toContain("No WebGPU; using the CPU reference");
  for (const words of [
    ["train", "mlp", ...run, "--json"],
    ["eval", "m.safetensors", "--json"],
    ["summary", "mlp", "--json"],
  ]) {
    const { code, stdout, stderr } = await cli.run(words, { env });
    expect(code).toBe(0);
    expect(stderr, words[0]).toContain("No WebGPU; using the CPU reference");
    expect(stdout).not.toContain("No WebGPU");
  }
  const refused = await cli.run(["train", "mlp", ...run, "--backend", "webgpu"], { env });
  expect(refused.code).not.toBe(0);
  expect(refused.stderr).toContain("no WebGPU adapter found");
});
