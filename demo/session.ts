/** The worker's session: opens devices, prepares one run at a time, and passes all other calls to the current run. */
import { data, version } from "../src/index.ts";
import { DataStore, type RunData } from "./data.ts";
import { describe, findDevice, openEngine } from "./engine.ts";
import { networkList, networkNamed } from "./network-list.ts";
import type { RunInfo, Sample, SessionApi, SessionEvent } from "./protocol.ts";
import { Run } from "./run.ts";
import type { Settings } from "./settings.ts";

export class Session implements SessionApi {
  #data = new DataStore("");
  #run: Run | undefined;
  #settings: Settings | undefined;
  /** Runs are prepared one after the other. */
  #preparing: Promise<unknown> = Promise.resolve();

  constructor(readonly emit: (event: SessionEvent) => void) {}

  async open(device: Settings["device"], dataFolder: string) {
    this.#data = new DataStore(dataFolder);
    return { device: await findDevice(device), recipes: networkList };
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
    // Metadata that the command line reads.
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
    const { title } = networkNamed(settings.recipe);
    const engine = await openEngine(settings, used.train.inputs.shape, (progress) =>
      this.emit({ event: "compiling", ...progress }),
    );
    const { trainer } = engine;
    const run = new Run(engine, used, this.emit);
    this.#run = run;
    this.#settings = settings;
    return {
      title,
      device: describe(trainer.backend),
      data: describeData(used),
      stepsPerEpoch: run.stepsPerEpoch,
      parameters: trainer.parameterCount,
    };
  }

  #current(): Run {
    if (this.#run === undefined) throw new Error("The run is still being prepared.");
    return this.#run;
  }
}

function describeData({ train, validation, title, instead }: RunData): RunInfo["data"] {
  const classNames = train.classNames ?? Array.from({ length: train.classes ?? 0 }, (_, i) => String(i));
  const why = instead === undefined ? {} : { instead };
  return { title, train: train.count, validation: validation.count, classNames, ...why };
}
