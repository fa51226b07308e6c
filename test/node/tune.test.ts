/** weft tune as a user runs it, and the folder where it keeps what it found. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { runCommand } from "../../src/node/cli/program.ts";
import { swiftShader } from "../../src/node/device/swiftshader.ts";
import { fileTuneStore } from "../../src/node/device/tune-store.ts";
import { version } from "../../src/version.ts";
import { jsonLines } from "../support/cli.ts";

const folder = mkdtempSync(join(tmpdir(), "weft-tune-"));
const stored = join(folder, "weft", "tune");

beforeAll(() => {
  // SwiftShader is unpacked into the cache folder, so it is found before that changes.
  const named = process.env.VK_ICD_FILENAMES || process.env.VK_DRIVER_FILES;
  if (!named) vi.stubEnv("VK_ICD_FILENAMES", swiftShader()?.icd);
  vi.stubEnv("XDG_CACHE_HOME", folder);
});
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

/** What the command prints. */
async function printed(words: readonly string[]): Promise<string> {
  const write = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  try {
    expect(await runCommand(words)).toBe(0);
    return write.mock.calls.map(([text]) => String(text)).join("");
  } finally {
    write.mockRestore();
  }
}

it("weft tune measures once, tells what it found, and takes it from the store afterwards", async () => {
  const words = ["tune", "mlp", "--dataset", "synthetic", "--limit", "40", "--batch-size", "4"];
  const first = await printed(words);
  expect(first).toMatch(
    /^Tuning a training step of \w+, batch size 4, on .+\.\nnode +shape +default +chosen/,
  );
  expect(first).toMatch(/\nloss\S+ .*\[4x10\] -> .*\d+\.\d{3} ms/);
  expect(first).toMatch(/\nTimed \d+ choices in /);
  expect(first).toContain(`Stored in ${stored}.`);
  const [file, ...others] = readdirSync(stored);
  expect(others).toEqual([]);
  expect(JSON.parse(readFileSync(join(stored, file as string), "utf8"))).toMatchObject({ weft: version });

  const lines = jsonLines(await printed([...words, "--json"]));
  const choices = lines.filter(({ event }) => event === "choice");
  expect(choices.length).toBeGreaterThan(2);
  for (const choice of choices) expect(choice.source).toBe("stored");
  expect(lines.at(-1)).toMatchObject({ event: "tuned", measured: 0, stored: choices.length, place: stored });
  const nothing = `Nothing was timed: all ${choices.length} choices come from ${stored}.`;
  expect(await printed(words)).toContain(nothing);
  const save = join(folder, "mlp.safetensors");
  const training = ["train", ...words.slice(1), "--epochs", "1", "--tune", "--save", save];
  expect((await printed(training)).split("\n")).toEqual(
    expect.arrayContaining([nothing, expect.stringMatching(/^Done in /)]),
  );
});

it("weft info says where choices lie", async () => {
  expect(await printed(["info"])).toContain(`Kernel choices of weft tune: ${stored}`);
});

it("files of adapters whose names differ a little are not the same", async () => {
  const store = fileTuneStore(join(folder, "own"));
  expect(await store.load("A/B")).toBeUndefined();
  await store.save("A/B", "one");
  await store.save("A B", "two");
  await store.save("A/B", "three");
  expect([await store.load("A/B"), await store.load("A B")]).toEqual(["three", "two"]);
  expect(readdirSync(join(folder, "own"))).toHaveLength(2);
});
