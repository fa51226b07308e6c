/**
 * The text that a TuneStore holds for an adapter: the variant chosen for each group of nodes. Only choices made with this
 * version of Weft, on this adapter and between the same kernels are used; others are ignored, a damaged text with a notice.
 */

import type { TuneStore } from "../runtime/backend.ts";
import { FormatError } from "../validation/errors.ts";
import { Fields } from "../validation/json-fields.ts";
import { version } from "../version.ts";
import type { NodeGroup } from "./node-groups.ts";

const FORMAT_VERSION = 1;

export interface Choice {
  /** null for the default of the op. */
  readonly variant: string | null;
  /** Its time divided by the time of the default. */
  readonly ratio: number;
  /** Of the group that the choice was made for. */
  readonly fingerprint: string;
}

export class StoredChoices {
  private constructor(
    readonly adapter: string,
    readonly store: TuneStore | undefined,
    readonly known: Map<string, Choice>,
    readonly renew: boolean,
    readonly notice: (message: string) => void,
  ) {}

  /** `renew`: ignores what is stored, and replaces all of it when choices are added. */
  static async load(
    adapter: string,
    store: TuneStore | undefined,
    notice: (message: string) => void,
    renew: boolean,
  ): Promise<StoredChoices> {
    const known = renew ? new Map() : await read(adapter, store, notice);
    return new StoredChoices(adapter, store, known, renew, notice);
  }

  /** The stored choice for a group, if it is still valid. */
  find({ key, fingerprint, alternatives }: NodeGroup): Choice | undefined {
    const choice = this.known.get(key);
    if (choice?.fingerprint !== fingerprint) return undefined;
    const exists = choice.variant === null || alternatives.some(({ name }) => name === choice.variant);
    return exists ? choice : undefined;
  }

  /** Adds choices by group key. Those that another process has stored meanwhile stay. */
  async add(made: ReadonlyMap<string, Choice>): Promise<void> {
    for (const [key, choice] of made) this.known.set(key, choice);
    if (this.store === undefined) return;
    const latest = this.renew ? [] : await read(this.adapter, this.store, () => undefined);
    const choices = Object.fromEntries([...latest, ...this.known, ...made]);
    const content = { format: FORMAT_VERSION, weft: version, adapter: this.adapter, choices };
    try {
      await this.store.save(this.adapter, `${JSON.stringify(content, null, 1)}\n`);
    } catch (error) {
      this.notice(`kernel choices can't be stored: ${(error as Error).message}`);
    }
  }
}

async function read(
  adapter: string,
  store: TuneStore | undefined,
  notice: (message: string) => void,
): Promise<Map<string, Choice>> {
  let text: string | undefined;
  try {
    text = await store?.load(adapter);
  } catch (error) {
    notice(`stored kernel choices can't be read: ${(error as Error).message}`);
  }
  if (text === undefined) return new Map();
  try {
    const stored = Fields.parse(text, store?.place ?? "tune store");
    stored.format(FORMAT_VERSION);
    const choices = parseChoices(stored.fields("choices"));
    return stored.values.weft === version && stored.values.adapter === adapter ? choices : new Map();
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    notice(`the stored kernel choices in ${store?.place} are damaged and ignored (${error.message})`);
    return new Map();
  }
}

/** Throws FormatError on anything but choices by group key. */
function parseChoices(choices: Fields): Map<string, Choice> {
  const entries = choices.names.map((name): [string, Choice] => {
    const choice = choices.fields(name);
    if (choice.values.variant !== null) choice.text("variant");
    choice.text("fingerprint");
    if (choice.number("ratio") === null) choice.fail("ratio", "a number");
    return [name, choice.values as unknown as Choice];
  });
  return new Map(entries);
}
