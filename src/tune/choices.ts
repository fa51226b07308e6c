/**
 * The text that a TuneStore keeps for an adapter: which variant won each contest. Only what was found with this version of
 * Weft, on this adapter and among the very same kernels counts; anything else is left out, a damaged text with a notice.
 */
import type { TuneStore } from "../backend.ts";
import { version } from "../version.ts";
import type { Contest } from "./candidates.ts";

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
    const text = JSON.stringify({ weft: version, adapter: this.adapter, choices }, null, 1);
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
  const stored = parse(text);
  if (stored === undefined) {
    notice(`the stored kernel choices in ${store?.place} are damaged and left out`);
    return new Map();
  }
  return stored.weft === version && stored.adapter === adapter ? stored.choices : new Map();
}

interface Stored {
  readonly weft: unknown;
  readonly adapter: unknown;
  readonly choices: Map<string, Choice>;
}

/** undefined for a text that no version of Weft wrote. */
function parse(text: string): Stored | undefined {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { weft, adapter, choices } = (found ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof choices !== "object" || choices === null) return undefined;
  const entries = Object.entries(choices);
  return entries.every((entry): entry is [string, Choice] => isChoice(entry[1]))
    ? { weft, adapter, choices: new Map(entries) }
    : undefined;
}

function isChoice(value: unknown): value is Choice {
  const { variant, ratio, fingerprint } = (value ?? {}) as Readonly<Record<string, unknown>>;
  const named = variant === null || typeof variant === "string";
  return named && typeof ratio === "number" && typeof fingerprint === "string";
}
