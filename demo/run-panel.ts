/** The panel that controls a run: three buttons, a progress bar and the current figures. */
import { byId, say } from "./dom.ts";
import { count, loss as lossText, milliseconds, percent } from "./format.ts";

/**
 * `waiting`: the device is opened or data are loaded. `ready`: not trained yet. `held`: training is paused. `done`: all
 * epochs are trained; more may follow.
 */
export type Phase = "waiting" | "ready" | "training" | "held" | "done" | "failed";

export interface RunActions {
  train(): void;
  pause(): void;
  resume(): void;
  step(): void;
  reset(): void;
}

const LABELS: Record<Phase, string> = {
  waiting: "Train",
  ready: "Train",
  training: "Pause",
  held: "Resume",
  done: "Train more",
  failed: "Train",
};

export interface Figures {
  readonly epoch?: string;
  readonly step?: number;
  readonly loss?: number;
  readonly accuracy?: number | undefined;
  readonly imagesPerSecond?: number;
  readonly millisecondsPerStep?: number;
}

export class RunPanel {
  #phase: Phase = "waiting";

  constructor(readonly actions: RunActions) {
    byId("train").addEventListener("click", () => this.#primary());
    byId("step").addEventListener("click", () => actions.step());
    byId("reset").addEventListener("click", () => actions.reset());
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** Screen readers read `status` out, so it should change rarely. */
  enter(phase: Phase, status: string): void {
    this.#phase = phase;
    document.documentElement.dataset.phase = phase;
    const train = byId<HTMLButtonElement>("train");
    say(train, LABELS[phase]);
    train.disabled = phase === "waiting" || phase === "failed";
    byId<HTMLButtonElement>("step").disabled = !["ready", "held", "done"].includes(phase);
    byId<HTMLButtonElement>("reset").disabled = phase === "waiting";
    say(byId("run-status"), status);
  }

  title(text: string): void {
    say(byId("run-title"), text);
  }

  /** `share` 0 to 1; undefined hides the progress bar. */
  meter(label: string, share: number | undefined): void {
    const meter = byId("meter");
    meter.classList.toggle("idle", share === undefined);
    meter.setAttribute("aria-label", label);
    meter.setAttribute("aria-valuenow", String(Math.round(100 * (share ?? 0))));
    (meter.firstElementChild as HTMLElement).style.transform = `scaleX(${(share ?? 0).toFixed(4)})`;
  }

  /** Shows the given figures; the others stay. */
  show(figures: Figures): void {
    const { epoch, step, loss, accuracy, imagesPerSecond, millisecondsPerStep } = figures;
    if (epoch !== undefined) say(byId("figure-epoch"), epoch);
    if (step !== undefined) say(byId("figure-step"), count(step));
    if (loss !== undefined) say(byId("figure-loss"), lossText(loss));
    if (accuracy !== undefined) say(byId("figure-accuracy"), percent(accuracy));
    if (imagesPerSecond !== undefined) say(byId("figure-speed"), count(imagesPerSecond));
    if (millisecondsPerStep !== undefined) say(byId("figure-time"), milliseconds(millisecondsPerStep));
  }

  clear(): void {
    for (const name of ["epoch", "step", "loss", "accuracy", "speed", "time"])
      say(byId(`figure-${name}`), "–");
    this.meter("Progress", undefined);
  }

  #primary(): void {
    const { actions } = this;
    if (this.#phase === "training") actions.pause();
    else if (this.#phase === "held") actions.resume();
    else actions.train();
  }
}
