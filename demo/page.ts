/** What goes on between the parts of the page: a run's life from set-up to the last epoch. */
import { clearAnswers, showAnswers } from "./answers-view.ts";
import { chartImage } from "./chart-image.ts";
import { Charts } from "./charts.ts";
import { historyToCsv } from "./csv.ts";
import { byId, say } from "./dom.ts";
import { Drawing } from "./drawing.ts";
import { allowFiles, connectFiles } from "./files.ts";
import { Inside } from "./inside.ts";
import { showKernels } from "./kernels-view.ts";
import { dismiss, notice } from "./notices.ts";
import type { RecipeInfo, RunInfo, SessionApi, SessionEvent } from "./protocol.ts";
import { RunLog } from "./run-log.ts";
import { type Phase, RunPanel } from "./run-panel.ts";
import { showRuns } from "./runs-view.ts";
import { type Settings, sameRun, settingsFromHash, settingsToHash } from "./settings.ts";
import { SetupForm } from "./setup-form.ts";
import { count, megabytes, messageOf, percent } from "./words.ts";

const MOST_RUNS = 6;
const LOOK_MILLISECONDS = 400;

export class Page {
  readonly #charts = new Charts();
  readonly #panel: RunPanel;
  readonly #form: SetupForm;
  readonly #drawing: Drawing;
  readonly #inside: Inside;
  #runs: RunLog[] = [];
  #begun = 0;
  #info: RunInfo | undefined;
  /** Grows with every run that is asked for; what belongs to an older one is let go. */
  #wish = 0;
  /** Epochs of this run after which it is done. */
  #goal = 0;
  /** Whether kernels are compiled and steps come. */
  #stepping = false;
  #lookedAt = 0;

  constructor(
    readonly session: SessionApi,
    settings: Settings,
  ) {
    this.#panel = new RunPanel({
      train: () => void this.#train(),
      pause: () => void session.pause(),
      resume: () => {
        this.#enter("training", this.#trainingWords());
        void session.resume();
      },
      step: () => void (this.#panel.phase === "held" ? session.step() : this.#train(1)),
      reset: () => void this.#prepare(this.#form.settings),
    });
    this.#form = new SetupForm(settings, (changed) => this.#settingsChanged(changed));
    // Answers can fail to come while a run is made ready or a device is replaced; the next ones will come.
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
    this.#enter("failed", "This does not work.");
  }

  hear(event: SessionEvent): void {
    const run = this.#run;
    switch (event.event) {
      case "download":
        this.#panel.meter("Loading data", event.received / event.total);
        say(byId("run-status"), `Loading data: ${megabytes(event.received)} of ${megabytes(event.total)} MB`);
        break;
      case "compiling":
        // Later ones are for looking at something.
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
          epoch: this.#epochWords(run),
        });
        const { stepsPerEpoch } = run;
        if (!this.#stepping && this.#panel.phase === "training") {
          this.#stepping = true;
          this.#enter("training", this.#trainingWords());
        }
        this.#panel.meter("This epoch", (((run.steps - 1) % stepsPerEpoch) + 1) / stepsPerEpoch);
        break;
      }
      case "progress":
        this.#panel.show(event);
        this.#look(false);
        break;
      case "paused":
        if (this.#panel.phase === "training") this.#enter("held", `Paused at step ${count(event.step)}.`);
        this.#look(true);
        break;
      case "epoch": {
        run?.addEpoch(event);
        this.#panel.show({ accuracy: event.valAccuracy });
        if (this.#panel.phase === "training") this.#enter("training", this.#trainingWords(event.valAccuracy));
        this.#showRuns();
        this.#look(true);
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
        // What was trained since then is trained again.
        this.#panel.show({ step: event.step });
        notice(
          "lost",
          "note",
          `The GPU was lost (${event.message}). Another one took over, and the run went on from step ${count(event.step)}.`,
        );
        this.#showRuns();
        this.#look(true);
        break;
    }
  }

  get #run(): RunLog | undefined {
    return this.#runs.at(-1);
  }

  async #prepare(settings: Settings): Promise<void> {
    const wish = ++this.#wish;
    this.#enter("waiting", "Getting ready…");
    this.#panel.clear();
    history.replaceState(null, "", `#${settingsToHash(settings)}`);
    dismiss("failure");
    try {
      const info = await this.session.prepare(settings);
      if (wish !== this.#wish) return;
      this.#info = info;
      this.#newRun(settings, info.stepsPerEpoch);
      const { data, parameters } = info;
      if (data.instead === undefined) dismiss("data");
      else notice("data", "note", `${data.instead} So this page made synthetic digits to train on.`);
      this.#panel.meter("Progress", undefined);
      this.#panel.title(`${info.title.replace(/ on .*/, "")} on ${data.title.replace(/,.*/, "")}`);
      const sizes = `${count(data.train)} training images, ${count(data.validation)} for validation`;
      this.#enter("ready", `${sizes}; ${count(parameters)} parameters.`);
      clearAnswers();
      this.#drawing.begin(data.classNames);
      await this.#inside.begin(data.classNames);
      const filters = await this.session.filters();
      if (filters !== undefined && wish === this.#wish) this.#inside.showFilters(filters);
    } catch (error) {
      if (wish === this.#wish) this.fail(messageOf(error));
    }
  }

  #newRun(settings: Settings, stepsPerEpoch: number): void {
    const kept = this.#runs.filter((run) => run.begun);
    this.#begun = kept.at(-1)?.number ?? 0;
    this.#runs = [...kept.slice(1 - MOST_RUNS), new RunLog(this.#begun + 1, settings, stepsPerEpoch)];
    this.#goal = 0;
    this.#showRuns();
  }

  /** Trains for the epochs of the form; with `steps` only so many, and then pauses. */
  async #train(steps?: number): Promise<void> {
    const wish = this.#wish;
    const run = this.#run;
    if (run === undefined) return;
    const { epochs } = this.#form.settings;
    this.#goal = Math.floor(run.steps / run.stepsPerEpoch) + epochs;
    this.#stepping = false;
    this.#enter("training", "Compiling kernels…");
    try {
      const { aborted } = await this.session.train(epochs, steps);
      if (wish !== this.#wish || aborted) return;
      const best = run.epochs.at(-1)?.valAccuracy;
      const result = best === undefined ? "" : `: ${percent(best)} of the validation images are right`;
      this.#enter("done", `Trained${result}.`);
    } catch (error) {
      if (wish !== this.#wish) return;
      notice("failure", "error", messageOf(error));
      this.#enter("done", "Training stopped.");
    }
    this.#panel.meter("Progress", undefined);
    this.#look(true);
  }

  async #load(bytes: Uint8Array, name: string): Promise<string> {
    const { step, valLoss, valAccuracy } = await this.session.load(bytes, name);
    const { settings, stepsPerEpoch } = this.#run as RunLog;
    this.#newRun(settings, stepsPerEpoch);
    this.#run?.startAt(step);
    this.#panel.clear();
    this.#panel.show({ step, loss: valLoss, accuracy: valAccuracy });
    this.#enter("done", `Weights of ${name}, after ${count(step)} steps.`);
    this.#look(true);
    return `${name}: ${percent(valAccuracy, 2)} of the validation images are right.`;
  }

  #settingsChanged(settings: Settings): void {
    history.replaceState(null, "", `#${settingsToHash(settings)}`);
    const run = this.#run;
    const running = ["training", "held", "done"].includes(this.#panel.phase);
    const differs = run === undefined || !sameRun(settings, run.settings);
    say(byId("reset"), running && differs ? "New run" : "Reset");
    if (running) {
      say(byId("form-note"), differs ? "These settings are for the next run: press “New run”." : "");
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

  #trainingWords(accuracy?: number): string {
    const run = this.#run;
    const epoch = run === undefined ? 1 : Math.min(this.#goal, Math.floor(run.steps / run.stepsPerEpoch) + 1);
    const so = accuracy === undefined ? "" : `; ${percent(accuracy)} of the validation images are right`;
    return `Training, epoch ${epoch} of ${this.#goal}${so}.`;
  }

  #epochWords({ steps, stepsPerEpoch }: RunLog): string {
    return `${Math.ceil(steps / stepsPerEpoch)} of ${Math.max(this.#goal, 1)}`;
  }

  /** Asks anew what depends on the weights; while training not too often. */
  #look(now: boolean): void {
    if (!now && performance.now() - this.#lookedAt < LOOK_MILLISECONDS) return;
    this.#lookedAt = performance.now();
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
