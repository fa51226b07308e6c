/** The names of optimizers, schedules and activations. In a file without imports, so that `--help` lists them without loading the library. */

/** `momentum` is sgd with a momentum of 0.9 where none is given. */
export const optimizerNames = [
  "sgd",
  "momentum",
  "adam",
  "adamw",
  "rmsprop",
  "adagrad",
  "lion",
  "adadelta",
  "adamax",
  "nadam",
  "radam",
  "lamb",
  "muon",
] as const;
export type OptimizerName = (typeof optimizerNames)[number];

/**
 * The learning rate over the run. `linear`: falls linearly to 0; `cosine`: falls along half a cosine; `oneCycle`: rises for
 * three tenths of the run and falls; `steps`: is divided by ten after a half and after three quarters; `exponential`: falls to
 * a hundredth.
 */
export const scheduleNames = ["constant", "linear", "cosine", "oneCycle", "steps", "exponential"] as const;
export type ScheduleName = (typeof scheduleNames)[number];

/** Activations of hidden layers, for recipes with that option. */
export const activationNames = ["relu", "leakyRelu", "tanh", "hardtanh", "sigmoid", "sign"] as const;
export type ActivationName = (typeof activationNames)[number];
