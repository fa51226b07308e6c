/**
 * What the examples share: `run` opens a device, loads the data, trains with a progress bar, prints the figure that shows
 * that it worked, and writes the picture. Numbers such as `--steps 200` change an example's settings.
 */
import { realpathSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { openDevice, progressBar } from "weft/node";

/**
 * @typedef {object} Result
 * @property {string} text the figure that shows that it worked
 * @property {string} [svg] a picture
 */

/**
 * Runs `main` if the example is the program that Node was started with, and does nothing if a test imports it.
 * @template {object} Settings
 * @param {ImportMeta} meta of the example
 * @param {(settings: Settings) => Promise<Result>} main
 * @param {() => Promise<Partial<Settings>>} load the data
 */
export async function run(meta, main, load = async () => ({})) {
  const file = fileURLToPath(meta.url);
  if (process.argv[1] === undefined || realpathSync(process.argv[1]) !== file) return;
  const { tokens } = parseArgs({ strict: false, tokens: true });
  const numbers = tokens.flatMap((token, i) => {
    const value = tokens[i + 1];
    return token.kind === "option" && value?.kind === "positional" ? [[token.name, Number(value.value)]] : [];
  });
  const device = await openDevice();
  console.log(`Device: ${device.adapter}`);
  const callbacks = [progressBar()];
  const settings = { ...(await load()), device, callbacks, ...Object.fromEntries(numbers) };
  const { text, svg } = await main(/** @type {any} */ (settings));
  console.log(text);
  if (svg !== undefined) {
    const picture = `${basename(file, ".js")}.svg`;
    writeFileSync(picture, svg);
    console.log(`Picture: ${picture}`);
  }
  await device.close();
}
