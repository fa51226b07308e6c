/**
 * Every error Weft throws on purpose: one class per kind of trouble, so that callers can tell them apart.
 * Messages read `who: rule, got value (shapes)` and say what to do when that is obvious.
 */

/** Root of all errors that Weft throws on purpose. */
export class WeftError extends Error {
  override readonly name: string = "WeftError";
}

/** A shape, rank, dtype or attribute that an op or layer can't work with. */
export class ShapeError extends WeftError {
  override readonly name = "ShapeError";
}

/** An argument, option or setting outside what is allowed. */
export class ValueError extends WeftError {
  override readonly name = "ValueError";
}

/** Bytes that are not what their format says: IDX, gzip, safetensors, CSV. */
export class FormatError extends WeftError {
  override readonly name: string = "FormatError";
}

/** A sound file of a run that differs from the one that is to go on with it: in model, optimizer, batch size or data. */
export class MismatchError extends FormatError {
  override readonly name = "MismatchError";
}

/** A program compiled ahead of time that is damaged, of another format, or that asks for what no program may. */
export class ProgramError extends FormatError {
  override readonly name = "ProgramError";
}

/** A data set that can't be found, fetched or verified. */
export class DataError extends WeftError {
  override readonly name = "DataError";
}

/** A folder that another process, or another run of this one, is writing to. */
export class LockedError extends WeftError {
  override readonly name = "LockedError";
}

/** A call that can't be made while another one of the same trainer is under way, such as a second `fit`. */
export class BusyError extends WeftError {
  override readonly name = "BusyError";
}

/** No adapter, a missing feature, a limit exceeded, out of memory. */
export class DeviceError extends WeftError {
  override readonly name: string = "DeviceError";
}

/** A device, or what belongs to it, that is used after `close()`; a program or a trainer after `destroy()`. */
export class ClosedError extends DeviceError {
  override readonly name = "ClosedError";

  constructor(
    message = "device: was closed; open another one with openDevice() and create what you need on it",
  ) {
    super(message);
  }
}

/** The device went away (driver reset, tab in background, `destroy()`); a new one must be opened. */
export class DeviceLostError extends DeviceError {
  override readonly name = "DeviceLostError";
}

/** A shader that the driver's compiler refuses; the message holds file, line, column and source line. */
export class ShaderError extends DeviceError {
  override readonly name = "ShaderError";
}

/** A value read, or a graph used, in a way that its state does not allow. */
export class GraphError extends WeftError {
  override readonly name = "GraphError";
}
