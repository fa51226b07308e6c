/** The form of settings: fills it, reads it, and reports invalid values. */
import { byId, make, say } from "./dom.ts";
import { count } from "./format.ts";
import type { RecipeInfo } from "./protocol.ts";
import {
  CONVOLUTIONS,
  DATA_SETS,
  type DataName,
  DEVICES,
  LIMITS,
  OPTIMIZERS,
  type OptimizerName,
  readSetting,
  type Settings,
} from "./settings.ts";

type Field = HTMLInputElement | HTMLSelectElement;

export class SetupForm {
  readonly #form = byId<HTMLFormElement>("form");
  #recipes: readonly RecipeInfo[] = [];
  #settings: Settings;

  /** `onChange` is called after every valid change. */
  constructor(
    settings: Settings,
    readonly onChange: (settings: Settings) => void,
  ) {
    this.#settings = settings;
    fill(this.#field("data"), DATA_SETS);
    fill(
      this.#field("optimizer"),
      Object.fromEntries(Object.entries(OPTIMIZERS).map(([name, { title }]) => [name, title])),
    );
    fill(this.#field("conv"), CONVOLUTIONS);
    fill(this.#field("device"), DEVICES);
    fill(this.#field("recipe"), { [settings.recipe]: settings.recipe });
    this.show(settings);
    this.#form.addEventListener("change", (event) => this.#changed(event.target as Field));
    this.#form.addEventListener("submit", (event) => event.preventDefault());
  }

  get settings(): Settings {
    return this.#settings;
  }

  offer(recipes: readonly RecipeInfo[]): void {
    this.#recipes = recipes;
    const { recipe } = this.#settings;
    const titles = recipes.map(({ name, title }) => [name, title]);
    if (!recipes.some(({ name }) => name === recipe)) titles.push([recipe, recipe]);
    fill(this.#field("recipe"), Object.fromEntries(titles));
    this.#field("recipe").value = recipe;
  }

  show(settings: Settings): void {
    this.#settings = settings;
    for (const [key, value] of Object.entries(settings)) {
      const field = this.#field(key);
      field.value = String(value);
      field.removeAttribute("aria-invalid");
    }
  }

  #changed(field: Field): void {
    const { name } = field;
    const value = readSetting(name, field.value);
    field.toggleAttribute("aria-invalid", value === undefined);
    if (value === undefined) {
      field.setAttribute("aria-invalid", "true");
      say(byId("form-note"), errorFor(name));
      return;
    }
    say(byId("form-note"), "");
    this.show({ ...this.#settings, [name]: value, ...this.#consequences(name, value) });
    this.onChange(this.#settings);
  }

  /** A new network or optimizer sets its own default numbers. */
  #consequences(name: string, value: string | number): Partial<Settings> {
    if (name === "optimizer") return { rate: OPTIMIZERS[value as OptimizerName].rate };
    const recipe = this.#recipes.find((r) => name === "recipe" && r.name === value);
    if (recipe === undefined) return {};
    const known = Object.hasOwn(OPTIMIZERS, recipe.optimizer);
    return {
      batch: recipe.batch,
      ...(Object.hasOwn(DATA_SETS, recipe.dataset) ? { data: recipe.dataset as DataName } : {}),
      ...(known ? { optimizer: recipe.optimizer as OptimizerName, rate: recipe.rate } : {}),
    };
  }

  #field(name: string): Field {
    return this.#form.elements.namedItem(name) as Field;
  }
}

function fill(field: Field, options: Readonly<Record<string, string>>): void {
  const entries = Object.entries(options).map(([value, text]) => make("option", { value }, text));
  field.replaceChildren(...entries);
}

function errorFor(name: string): string {
  const limits = LIMITS[name as keyof typeof LIMITS];
  if (limits === undefined) return "Choose one of the listed values.";
  const { least, most, whole } = limits;
  const range = most >= 10_000 ? `${count(least)} to ${count(most)}` : `${least} to ${most}`;
  return `Enter a ${whole ? "whole number" : "number"} from ${range}.`;
}
