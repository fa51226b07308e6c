/**
 * The text that a TuneStore keeps for an adapter: which variant won each contest. Only what was found with this version of
 * Weft, on this adapter and among the very same kernels counts; anything else is left out, a damaged text with a notice.
 */

import { FormatError } from "../common/errors.ts";
import { Fields } from "../common/json-fields.ts";
import { version } from "../common/version.ts";
import type { TuneStore } from "../runtime/backend.ts";
import type { Contest } from "./candidates.ts";

/** Of the stored text. */
const FORMAT = 1;

/** The outcome of a contest. */
export interface Choice {
  /** null: what the op chooses by itself. */
  readonly variant: string | null;
  /** Its time over the time of what the op chooses. */
  readonly ratio: number;
  readonly fingerprint: string;
}

export class Choices {
  readonly #known: Map<string, Choice>;

  private constructor(
    readonly adapter: string,
    readonly store: TuneStore | undefined,
    known: ReadonlyMap<string, Choice>,
    readonly renew: boolean,
  ) {
    this.#known = new Map(known);
  }

  /** `renew`: begins with none, and what is stored goes when something is added. */
  static async load(
    adapter: string,
    store: TuneStore | undefined,
    notice: (message: string) => void,
    renew: boolean,
  ): Promise<Choices> {
    return new Choices(adapter, store, renew ? new Map() : await read(adapter, store, notice), renew);
  }

  /** The choice for `contest`, if there is one that still holds. */
  find({ key, fingerprint, others }: Contest): Choice | undefined {
    const choice = this.#known.get(key);
    const holds = choice?.fingerprint === fingerprint;
    return holds && (choice.variant === null || others.some(({ name }) => name === choice.variant))
      ? choice
      : undefined;
  }

  /** Keeps these too. What somebody else has stored meanwhile stays. */
  async add(found: ReadonlyMap<string, Choice>, notice: (message: string) => void): Promise<void> {
    for (const [key, choice] of found) this.#known.set(key, choice);
    if (this.store === undefined) return;
    const latest = this.renew ? [] : await read(this.adapter, this.store, () => undefined);
    const choices = Object.fromEntries([...latest, ...this.#known, ...found]);
    const text = JSON.stringify({ format: FORMAT, weft: version, adapter: this.adapter, choices }, null, 1);
    try {
      await this.store.save(this.adapter, `${text}\n`);
    } catch (error) {
      notice(`what was measured can't be kept: ${(error as Error).message}`);
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
    const stored = parse(text, store?.place ?? "tune store");
    return stored.weft === version && stored.adapter === adapter ? stored.choices : new Map();
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    notice(`the stored kernel choices in ${store?.place} are damaged and left out (${error.message})`);
    return new Map();
  }
}

interface Stored {
  readonly weft: unknown;
  readonly adapter: unknown;
  readonly choices: Map<string, Choice>;
}

/** Throws FormatError on a text that no version of Weft wrote. */
function parse(text: string, place: string): Stored {
  const stored = Fields.parse(text, place);
  stored.format(FORMAT);
  const choices = stored.fields("choices");
  const found = choices.names.map((name): [string, Choice] => {
    const choice = choices.fields(name);
    if (choice.values.variant !== null) choice.text("variant");
    choice.text("fingerprint");
    if (choice.number("ratio") === null) choice.fail("ratio", "a number");
    return [name, choice.values as unknown as Choice];
  });
  return { weft: stored.values.weft, adapter: stored.values.adapter, choices: new Map(found) };
}
