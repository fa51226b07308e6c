/** Names of optimizers, schedules and activations. Apart from what makes them, so that a command line can list them and load nothing. */

/** `momentum` is sgd with a momentum of 0.9 where none is given. */
export const optimizerNames = ["sgd", "momentum", "adam", "adamw", "rmsprop", "adagrad", "lion"] as const;
export type OptimizerName = (typeof optimizerNames)[number];

/**
 * Over the whole run: `linear` falls in a line to 0; `cosine` along half a cosine; `oneCycle` rises for three tenths
 * and falls; `steps` divides by ten at half and at three quarters; `exponential` falls to a hundredth.
 */
export const scheduleNames = ["constant", "linear", "cosine", "oneCycle", "steps", "exponential"] as const;
export type ScheduleName = (typeof scheduleNames)[number];

/** Of hidden layers, in recipes that leave the choice. */
export const activationNames = ["relu", "leakyRelu", "tanh", "hardtanh", "sigmoid", "sign"] as const;
export type ActivationName = (typeof activationNames)[number];
