/**
 * WGSL modules as text, with what the runtime must know of them: storage variables (binding number, access) and override
 * constants. The text is fetched when a kernel of the module is first compiled, so that a page loads only kernels that it runs.
 * Only declarations are parsed; the text itself is never changed.
 */
import { ShaderError, ValueError } from "../validation/errors.ts";

export interface ShaderBinding {
  readonly binding: number;
  readonly access: "read" | "read_write" | "uniform";
}

/** Text, or a file to fetch: `() => import("….wgsl?raw")`. */
export type ShaderSource = string | (() => Promise<{ readonly default: string }>);

/** One WGSL module: the texts of `sources` one after another. A text that comes twice is taken once. */
export class Shader {
  readonly sources: readonly ShaderSource[];
  #text: Promise<ShaderText> | undefined;

  /** `file`: name that errors show, such as `conv2d.wgsl`. Throws ValueError without a name or WGSL. */
  constructor(
    readonly file: string,
    ...sources: readonly ShaderSource[]
  ) {
    if (typeof file !== "string" || sources.length === 0) {
      throw new ValueError(
        `Shader: needs a name for messages and the WGSL, as in new Shader("scale.wgsl", code)`,
      );
    }
    this.sources = sources;
  }

  /** Throws ShaderError on a variable that is declared twice, and what fetching throws; after that it can be called again. */
  load(): Promise<ShaderText> {
    this.#text ??= this.#fetch().catch((error: unknown) => {
      this.#text = undefined;
      throw error;
    });
    return this.#text;
  }

  async #fetch(): Promise<ShaderText> {
    const texts = await Promise.all(
      this.sources.map(async (source) => (typeof source === "string" ? source : (await source()).default)),
    );
    return new ShaderText(this.file, [...new Set(texts)].join("\n"));
  }
}

export class ShaderText {
  readonly bindings: ReadonlyMap<string, ShaderBinding>;
  /** Name and type of each `override`. */
  readonly overrides: ReadonlyMap<string, string>;
  /** Members, all u32, of the uniform variable `sizes`, if there is one: constants that are not compiled into pipelines. */
  readonly sizes: readonly string[];

  constructor(
    readonly file: string,
    readonly code: string,
  ) {
    const plain = code.replace(/\/\/[^\n]*/g, "");
    const bindings = new Map<string, ShaderBinding>();
    const buffer = /@group\(0\)\s*@binding\((\d+)\)\s*var<(?:storage\s*,\s*)?(\w+)>\s*(\w+)\s*:/g;
    for (const [, binding, access, name] of plain.matchAll(buffer)) {
      if (bindings.has(name as string)) throw new ShaderError(`${file}: variable ${name} is declared twice`);
      bindings.set(name as string, { binding: Number(binding), access: access as ShaderBinding["access"] });
    }
    const overrides = new Map<string, string>();
    for (const [, name, type] of plain.matchAll(/\boverride\s+(\w+)\s*:\s*(\w+)/g)) {
      overrides.set(name as string, type as string);
    }
    this.bindings = bindings;
    this.overrides = overrides;
    const members = bindings.has("sizes") ? (/\bstruct Sizes\s*\{([^{}]*)\}/.exec(plain)?.[1] ?? "") : "";
    this.sizes = [...members.matchAll(/(\w+)\s*:\s*u32/g)].map(([, name]) => name as string);
  }

  /**
   * Binding numbers and access of `variables`, in their order: `"0r 1w 2u"` for read, read and write, uniform. Throws ShaderError,
   * naming `entry`, on a variable that the module does not declare and on a binding number that comes twice.
   */
  layoutOf(entry: string, variables: readonly string[]): string {
    const letters = { read: "r", read_write: "w", uniform: "u" };
    const bound = variables.map((variable) => {
      const declared = this.bindings.get(variable);
      if (declared !== undefined) return declared;
      throw new ShaderError(`${this.file}: ${entry} binds ${variable}, which the file does not declare`);
    });
    const layout = bound.map(({ binding, access }) => `${binding}${letters[access]}`).join(" ");
    if (new Set(bound.map(({ binding }) => binding)).size !== bound.length) {
      throw new ShaderError(`${this.file}: ${entry} binds one number twice (${layout})`);
    }
    return layout;
  }

  /**
   * The constants that this module declares as overrides. Throws ShaderError on fractions for u32 and i32, and on negative numbers for
   * u32: WebGPU would silently accept a fraction.
   */
  pick(constants: Readonly<Record<string, unknown>>): Record<string, number> {
    const picked: Record<string, number> = {};
    for (const [name, type] of this.overrides) {
      if (constants[name] !== undefined)
        picked[name] = this.#checked(`override ${name}`, type, constants[name]);
    }
    return picked;
  }

  /** The content of the uniform variable `sizes`, checked likewise; every member must be among `constants`. */
  sizesOf(constants: Readonly<Record<string, unknown>>): number[] {
    return this.sizes.map((name) => this.#checked(`sizes.${name}`, "u32", constants[name]));
  }

  #checked(what: string, type: string, value: unknown): number {
    const number = typeof value === "boolean" ? Number(value) : value;
    const fits =
      typeof number === "number" &&
      (type === "f32" ? Number.isFinite(number) : Number.isInteger(number)) &&
      !(type === "u32" && number < 0);
    if (!fits) throw new ShaderError(`${this.file}: ${what} is ${type}, got ${String(value)}`);
    return number;
  }
}
