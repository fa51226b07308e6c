/** What the worker does for the page: opens devices, makes runs ready one at a time, and hands everything else to them. */
import { openDevice } from "../src/browser/index.ts";
import { type Backend, data, nn, optim, Trainer, version } from "../src/index.ts";
import { DataStore, type RunData } from "./data.ts";
import { describeNetwork, type Network, networks } from "./networks.ts";
import type { DeviceInfo, RunInfo, Sample, SessionApi, SessionEvent } from "./protocol.ts";
import { Run } from "./run.ts";
import type { Settings } from "./settings.ts";

export class Session implements SessionApi {
  #data = new DataStore("");
  /** Opened to name the adapter, and used by the first run. */
  #idle: { readonly backend: Backend; readonly device: Settings["device"] } | undefined;
  #run: Run | undefined;
  #settings: Settings | undefined;
  /** Runs are made ready one after the other. */
  #preparing: Promise<unknown> = Promise.resolve();

  constructor(readonly emit: (event: SessionEvent) => void) {}

  async open(device: Settings["device"], dataFolder: string) {
    this.#data = new DataStore(dataFolder);
    const backend = await openDevice({ backend: device });
    this.#idle = { backend, device };
    return { device: describe(backend), recipes: networks.map(describeNetwork) };
  }

  prepare(settings: Settings): Promise<RunInfo> {
    const ready = this.#preparing.then(() => this.#prepare(settings));
    this.#preparing = ready.catch(() => undefined);
    return ready;
  }

  train(epochs: number, steps?: number) {
    return this.#current().train(epochs, steps);
  }

  async pause(): Promise<void> {
    this.#current().pause();
  }

  async resume(): Promise<void> {
    this.#current().resume();
  }

  async step(): Promise<void> {
    this.#current().step();
  }

  predict(image: Float32Array) {
    return this.#current().predict(image);
  }

  look(image: Float32Array) {
    return this.#current().look(image);
  }

  async sample(index: number): Promise<Sample> {
    const { validation } = this.#current().data;
    const at = ((index % validation.count) + validation.count) % validation.count;
    return { index: at, image: data.readSample(validation, at), label: validation.labels[at] as number };
  }

  filters() {
    return this.#current().filters();
  }

  examine(): Promise<void> {
    return this.#current().examine();
  }

  save(): Promise<Uint8Array> {
    const { trainer, data: used } = this.#current();
    const { recipe, data: name, optimizer, rate, batch, seed } = this.#settings as Settings;
    // The command line reads these.
    return trainer.toSafetensors({
      recipe,
      dataset: used.instead === undefined ? name : "synthetic",
      testSamples: String(used.validation.count),
      seed: String(seed),
      optimizer,
      learningRate: String(rate),
      batchSize: String(batch),
      weft: version,
    });
  }

  load(bytes: Uint8Array, name: string) {
    return this.#current().load(bytes, name);
  }

  async #prepare(settings: Settings): Promise<RunInfo> {
    const old = this.#run;
    this.#run = undefined;
    await old?.close();
    const used = await this.#data.load(settings, ({ received, total }) =>
      this.emit({ event: "download", received, total }),
    );
    const backend = await this.#device(settings.device);
    const trainer = await trainerFor(backend, settings);
    const run = new Run(trainer, used, this.emit);
    this.#run = run;
    this.#settings = settings;
    return {
      title: networkNamed(settings.recipe).title,
      device: describe(backend),
      data: describeData(used),
      stepsPerEpoch: run.stepsPerEpoch,
      parameters: trainer.parameterCount,
    };
  }

  async #device(device: Settings["device"]): Promise<Backend> {
    const idle = this.#idle;
    this.#idle = undefined;
    if (idle?.device === device) return idle.backend;
    await idle?.backend.close();
    return openDevice({ backend: device });
  }

  #current(): Run {
    if (this.#run === undefined) throw new Error("The run is still being made ready.");
    return this.#run;
  }
}

async function trainerFor(backend: Backend, settings: Settings): Promise<Trainer> {
  const { recipe: name, batch, seed, conv } = settings;
  const network = networkNamed(name);
  const kinds = { conv2d: conv, conv2dBackwardInput: conv, conv2dBackwardWeight: conv };
  return Trainer.create(backend, {
    model: network.model(),
    loss: nn.crossEntropy(),
    optimizer: await optimizerFor(settings),
    batchSize: batch,
    seed,
    variants: conv === "auto" ? {} : kinds,
    // Where a step takes long, every step is told by itself; a drawing then never waits behind many of them.
    ...(backend.software ? { stepsPerSubmit: 1 } : {}),
  });
}

function networkNamed(name: string): Network {
  const network = networks.find((n) => n.name === name);
  if (network === undefined)
    throw new Error(`There is no network called ${name} here; choose one under Set-up.`);
  return network;
}

async function optimizerFor({ optimizer, rate: learningRate }: Settings): Promise<optim.Optimizer> {
  if (optimizer === "adam") return optim.adam({ learningRate });
  if (optimizer === "adamw") return optim.adamw({ learningRate });
  return (await import("./other-optimizers.ts")).otherOptimizers[optimizer](learningRate);
}

function describe({ adapter, kind, software }: Backend): DeviceInfo {
  return { adapter, kind, software };
}

function describeData({ train, validation, title, instead }: RunData): RunInfo["data"] {
  const classNames = train.classNames ?? Array.from({ length: train.classes ?? 0 }, (_, i) => String(i));
  const why = instead === undefined ? {} : { instead };
  return { title, train: train.count, validation: validation.count, classNames, ...why };
}
