/** The settings of a run: the choices of the form, their limits, and the link that contains all of them. */

export const DATA_SETS = {
  mnist: "MNIST handwritten digits",
  "fashion-mnist": "Fashion-MNIST clothing",
  synthetic: "Synthetic digits",
} as const;
export type DataName = keyof typeof DATA_SETS;

export const OPTIMIZERS = {
  adam: { title: "Adam", rate: 0.001 },
  adamw: { title: "AdamW", rate: 0.001 },
  sgd: { title: "SGD, momentum 0.9", rate: 0.01 },
  rmsprop: { title: "RMSprop", rate: 0.001 },
} as const;
export type OptimizerName = keyof typeof OPTIMIZERS;

export const CONVOLUTIONS = { auto: "Auto", direct: "Direct", im2col: "im2col" } as const;
export const DEVICES = { auto: "GPU (WebGPU)", cpu: "CPU reference" } as const;

export interface Settings {
  readonly recipe: string;
  readonly data: DataName;
  /** How many training images, from the first of the set on. A fifth as many, at most 10,000, are for validation. */
  readonly images: number;
  readonly optimizer: OptimizerName;
  readonly rate: number;
  readonly batch: number;
  readonly epochs: number;
  readonly seed: number;
  readonly conv: keyof typeof CONVOLUTIONS;
  readonly device: keyof typeof DEVICES;
}

export const DEFAULTS: Settings = {
  recipe: "lenet5",
  data: "mnist",
  images: 60_000,
  optimizer: "adam",
  rate: 0.001,
  batch: 64,
  epochs: 3,
  seed: 1,
  conv: "auto",
  device: "auto",
};

/** Smallest and largest value of each number, and whether it is an integer. */
export const LIMITS = {
  images: { least: 100, most: 60_000, whole: true },
  rate: { least: 1e-6, most: 10, whole: false },
  batch: { least: 1, most: 1000, whole: true },
  epochs: { least: 1, most: 100, whole: true },
  seed: { least: 0, most: 2 ** 32 - 1, whole: true },
} as const;

const CHOICES = {
  data: DATA_SETS,
  optimizer: OPTIMIZERS,
  conv: CONVOLUTIONS,
  device: DEVICES,
} as const;

/** How many validation images belong to a number of training images. */
export const validationImages = (images: number) => Math.min(10_000, Math.max(20, Math.round(images / 5)));

/** `recipe=lenet5&data=mnist&…`: every setting, so that links stay valid when defaults change. */
export function settingsToHash(settings: Settings): string {
  return new URLSearchParams(Object.entries(settings).map(([key, value]) => [key, String(value)])).toString();
}

export interface ParsedSettings {
  readonly settings: Settings;
  /** Unknown settings of the link, as `key=value`. */
  readonly ignored: readonly string[];
}

/** Reads the part of a link after `#`. Missing settings come from `defaults`; invalid ones are ignored and listed. */
export function settingsFromHash(hash: string, defaults: Settings = DEFAULTS): ParsedSettings {
  const settings: Record<string, string | number> = { ...defaults };
  const ignored: string[] = [];
  for (const [key, text] of new URLSearchParams(hash.replace(/^#/, ""))) {
    const value = readSetting(key, text);
    if (value === undefined) ignored.push(`${key}=${text}`);
    else settings[key] = value;
  }
  return { settings: settings as unknown as Settings, ignored };
}

/** The value of one setting, or undefined for an invalid text. */
export function readSetting(key: string, text: string): string | number | undefined {
  if (key in LIMITS) {
    const { least, most, whole } = LIMITS[key as keyof typeof LIMITS];
    const value = text.trim() === "" ? Number.NaN : Number(text);
    const fits = value >= least && value <= most && (!whole || Number.isInteger(value));
    return fits ? value : undefined;
  }
  if (key in CHOICES) return Object.hasOwn(CHOICES[key as keyof typeof CHOICES], text) ? text : undefined;
  return key === "recipe" && /^[a-z0-9-]{1,40}$/.test(text) ? text : undefined;
}

/** `lenet5, Adam 0.001, batch 64`: distinguishes runs in lists. */
export function shortTitle({ recipe, optimizer, rate, batch }: Settings): string {
  return `${recipe}, ${OPTIMIZERS[optimizer].title.split(",")[0]} ${rate}, batch ${batch}`;
}

/** Whether both describe the same run; the number of epochs may differ. */
export function sameRun(a: Settings, b: Settings): boolean {
  return settingsToHash({ ...a, epochs: 1 }) === settingsToHash({ ...b, epochs: 1 });
}
