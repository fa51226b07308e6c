/** Connects the parts of the page: what buttons and settings do, and how events of the worker are shown. */
import { clearAnswers, showAnswers } from "./answers-view.ts";
import { chartImage } from "./chart-image.ts";
import { Charts } from "./charts.ts";
import { historyToCsv } from "./csv.ts";
import { byId, say } from "./dom.ts";
import { Drawing } from "./drawing.ts";
import { allowFiles, connectFiles } from "./files.ts";
import { count, megabytes, messageOf, percent } from "./format.ts";
import { Inside } from "./inside.ts";
import { showKernels } from "./kernels-view.ts";
import { dismiss, notice } from "./notices.ts";
import type { RecipeInfo, RunInfo, SessionApi, SessionEvent } from "./protocol.ts";
import { RunLog } from "./run-log.ts";
import { type Phase, RunPanel } from "./run-panel.ts";
import { showRuns } from "./runs-view.ts";
import { type Settings, sameRun, settingsFromHash, settingsToHash } from "./settings.ts";
import { SetupForm } from "./setup-form.ts";

const MAX_RUNS = 6;
/** During training, drawings and feature maps are computed again at most this often. */
const PROBE_MILLISECONDS = 400;

export class Page {
  readonly #charts = new Charts();
  readonly #panel: RunPanel;
  readonly #form: SetupForm;
  readonly #drawing: Drawing;
  readonly #inside: Inside;
  #runs: RunLog[] = [];
  #begun = 0;
  #info: RunInfo | undefined;
  /** Number of the latest run that was prepared; results of older ones are ignored. */
  #latest = 0;
  /** The epoch of this run after which training ends. */
  #goal = 0;
  /** Whether a step of the current training has arrived, so that compiling is over. */
  #stepping = false;
  #probedAt = 0;

  constructor(
    readonly session: SessionApi,
    settings: Settings,
  ) {
    this.#panel = new RunPanel({
      train: () => void this.#train(),
      pause: () => void session.pause(),
      resume: () => {
        this.#enter("training", this.#trainingStatus());
        void session.resume();
      },
      step: () => void (this.#panel.phase === "held" ? session.step() : this.#train(1)),
      reset: () => void this.#prepare(this.#form.settings),
    });
    this.#form = new SetupForm(settings, (changed) => this.#settingsChanged(changed));
    // Probes fail while a run is prepared or a device is replaced; later ones succeed.
    const ignore = () => undefined;
    this.#inside = new Inside(session, ignore);
    this.#drawing = new Drawing(
      (image) => session.predict(image),
      (image) => this.#inside.drawn(image),
      ignore,
    );
    connectFiles({
      name: () => `${this.#form.settings.recipe}-${this.#run?.steps ?? 0}-steps`,
      csv: () => historyToCsv(this.#runs.filter((run) => run.begun)),
      png: () => chartImage(this.#charts, this.#runs),
      save: () => session.save(),
      load: (bytes, name) => this.#load(bytes, name),
    });
    byId("log").addEventListener("change", () => this.#redraw());
    for (const radio of document.getElementsByName("axis"))
      radio.addEventListener("change", () => this.#redraw());
    addEventListener("hashchange", () => {
      const { settings: linked } = settingsFromHash(location.hash, this.#form.settings);
      this.#form.show(linked);
      this.#settingsChanged(linked);
    });
    this.#enter("waiting", "Opening a device…");
  }

  async begin(recipes: readonly RecipeInfo[], settings: Settings): Promise<void> {
    this.#form.show(settings);
    this.#form.offer(recipes);
    await this.#prepare(settings);
  }

  fail(message: string): void {
    notice("failure", "error", message);
    this.#enter("failed", "Training is not possible.");
  }

  hear(event: SessionEvent): void {
    const run = this.#run;
    switch (event.event) {
      case "download":
        this.#panel.meter("Loading data", event.received / event.total);
        say(byId("run-status"), `Loading data: ${megabytes(event.received)} of ${megabytes(event.total)} MB`);
        break;
      case "compiling":
        // Later compilations are for probes.
        if (this.#panel.phase === "waiting" || (this.#panel.phase === "training" && !this.#stepping)) {
          this.#panel.meter("Compiling kernels", event.compiled / event.total);
        }
        break;
      case "steps": {
        if (run === undefined) return;
        const isFirst = !run.begun;
        run.addSteps(event.first, event.losses, event.accuracies);
        if (isFirst) this.#showRuns();
        this.#charts.show(this.#runs);
        this.#panel.show({
          step: run.steps,
          loss: event.losses.at(-1) as number,
          epoch: this.#epochText(run),
        });
        const { stepsPerEpoch } = run;
        if (!this.#stepping && this.#panel.phase === "training") {
          this.#stepping = true;
          this.#enter("training", this.#trainingStatus());
        }
        this.#panel.meter("This epoch", (((run.steps - 1) % stepsPerEpoch) + 1) / stepsPerEpoch);
        break;
      }
      case "progress":
        this.#panel.show(event);
        this.#probe(false);
        break;
      case "paused":
        if (this.#panel.phase === "training") this.#enter("held", `Paused at step ${count(event.step)}.`);
        this.#probe(true);
        break;
      case "epoch": {
        run?.addEpoch(event);
        this.#panel.show({ accuracy: event.valAccuracy });
        if (this.#panel.phase === "training")
          this.#enter("training", this.#trainingStatus(event.valAccuracy));
        this.#showRuns();
        this.#probe(true);
        break;
      }
      case "filters":
        this.#inside.showFilters(event.filters);
        break;
      case "examined":
        showAnswers(event.examination, this.#info?.data.classNames ?? []);
        break;
      case "kernels":
        showKernels(event.kernels);
        break;
      case "recovered":
        run?.startAt(event.step);
        // Training repeats the steps after this one.
        this.#panel.show({ step: event.step });
        notice(
          "lost",
          "note",
          `The GPU was lost (${event.message}). The run continued on another one from step ${count(event.step)}.`,
        );
        this.#showRuns();
        this.#probe(true);
        break;
    }
  }

  get #run(): RunLog | undefined {
    return this.#runs.at(-1);
  }

  async #prepare(settings: Settings): Promise<void> {
    const request = ++this.#latest;
    this.#enter("waiting", "Preparing…");
    this.#panel.clear();
    history.replaceState(null, "", `#${settingsToHash(settings)}`);
    dismiss("failure");
    try {
      const info = await this.session.prepare(settings);
      if (request !== this.#latest) return;
      this.#info = info;
      this.#newRun(settings, info.stepsPerEpoch);
      const { data, parameters } = info;
      if (data.instead === undefined) dismiss("data");
      else notice("data", "note", `${data.instead} The page uses synthetic digits instead.`);
      this.#panel.meter("Progress", undefined);
      this.#panel.title(`${info.title.replace(/ on .*/, "")} on ${data.title.replace(/,.*/, "")}`);
      const sizes = `${count(data.train)} training images, ${count(data.validation)} for validation`;
      this.#enter("ready", `${sizes}; ${count(parameters)} parameters.`);
      clearAnswers();
      this.#drawing.begin(data.classNames);
      await this.#inside.begin(data.classNames);
      const filters = await this.session.filters();
      if (filters !== undefined && request === this.#latest) this.#inside.showFilters(filters);
    } catch (error) {
      if (request === this.#latest) this.fail(messageOf(error));
    }
  }

  #newRun(settings: Settings, stepsPerEpoch: number): void {
    const kept = this.#runs.filter((run) => run.begun);
    this.#begun = kept.at(-1)?.number ?? 0;
    this.#runs = [...kept.slice(1 - MAX_RUNS), new RunLog(this.#begun + 1, settings, stepsPerEpoch)];
    this.#goal = 0;
    this.#showRuns();
  }

  /** Trains for the epochs of the form; with `steps`, pauses after that many steps. */
  async #train(steps?: number): Promise<void> {
    const request = this.#latest;
    const run = this.#run;
    if (run === undefined) return;
    const { epochs } = this.#form.settings;
    this.#goal = Math.floor(run.steps / run.stepsPerEpoch) + epochs;
    this.#stepping = false;
    this.#enter("training", "Compiling kernels…");
    try {
      const { aborted } = await this.session.train(epochs, steps);
      if (request !== this.#latest || aborted) return;
      const best = run.epochs.at(-1)?.valAccuracy;
      const result =
        best === undefined ? "" : `: ${percent(best)} of the validation images classified correctly`;
      this.#enter("done", `Trained${result}.`);
    } catch (error) {
      if (request !== this.#latest) return;
      notice("failure", "error", messageOf(error));
      this.#enter("done", "Training stopped.");
    }
    this.#panel.meter("Progress", undefined);
    this.#probe(true);
  }

  async #load(bytes: Uint8Array, name: string): Promise<string> {
    const { step, valLoss, valAccuracy } = await this.session.load(bytes, name);
    const { settings, stepsPerEpoch } = this.#run as RunLog;
    this.#newRun(settings, stepsPerEpoch);
    this.#run?.startAt(step);
    this.#panel.clear();
    this.#panel.show({ step, loss: valLoss, accuracy: valAccuracy });
    this.#enter("done", `Loaded the weights of ${name}, trained for ${count(step)} steps.`);
    this.#probe(true);
    return `${name}: ${percent(valAccuracy, 2)} of the validation images classified correctly.`;
  }

  #settingsChanged(settings: Settings): void {
    history.replaceState(null, "", `#${settingsToHash(settings)}`);
    const run = this.#run;
    const running = ["training", "held", "done"].includes(this.#panel.phase);
    const differs = run === undefined || !sameRun(settings, run.settings);
    say(byId("reset"), running && differs ? "New run" : "Reset");
    if (running) {
      say(byId("form-note"), differs ? "These settings apply to the next run: press “New run”." : "");
    } else if (differs) {
      void this.#prepare(settings);
    }
  }

  #enter(phase: Phase, status: string): void {
    this.#panel.enter(phase, status);
    if (phase === "ready") {
      say(byId("reset"), "Reset");
      say(byId("form-note"), "");
    }
    allowFiles(phase !== "waiting" && phase !== "failed", phase === "ready" || phase === "done");
  }

  #trainingStatus(accuracy?: number): string {
    const run = this.#run;
    const epoch = run === undefined ? 1 : Math.min(this.#goal, Math.floor(run.steps / run.stepsPerEpoch) + 1);
    const so =
      accuracy === undefined ? "" : `; ${percent(accuracy)} of the validation images classified correctly`;
    return `Training, epoch ${epoch} of ${this.#goal}${so}.`;
  }

  #epochText({ steps, stepsPerEpoch }: RunLog): string {
    return `${Math.ceil(steps / stepsPerEpoch)} of ${Math.max(this.#goal, 1)}`;
  }

  /** Computes again what depends on the weights; during training at intervals, unless `now`. */
  #probe(now: boolean): void {
    if (!now && performance.now() - this.#probedAt < PROBE_MILLISECONDS) return;
    this.#probedAt = performance.now();
    this.#drawing.refresh(true);
    this.#inside.refresh();
  }

  #redraw(): void {
    this.#charts.logLoss = byId<HTMLInputElement>("log").checked;
    const [perStep] = document.getElementsByName("axis") as NodeListOf<HTMLInputElement>;
    this.#charts.axis = perStep?.checked ? "step" : "epoch";
    this.#charts.show(this.#runs);
  }

  #showRuns(): void {
    showRuns(this.#runs, {
      changed: () => this.#charts.show(this.#runs),
      remove: (run) => {
        this.#runs = this.#runs.filter((other) => other !== run);
        this.#showRuns();
      },
    });
    this.#charts.show(this.#runs);
  }
}
