/**
 * The error classes of Weft, one per kind of failure, so that callers can tell them apart. Messages read
 * `op or module: what was expected, what was given, what to do`.
 */

/** Base class of all errors that Weft throws on purpose. */
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

/** A valid file of a run that does not fit the run that is to continue: another model, optimizer, batch size or data. */
export class MismatchError extends FormatError {
  override readonly name = "MismatchError";
}

/** A program compiled ahead of time that is damaged, of another format, or that asks for something forbidden. */
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

/** A call that can't be made while another one of the same trainer is running, such as a second `fit`. */
export class BusyError extends WeftError {
  override readonly name = "BusyError";
}

/** No adapter, a missing feature, a limit exceeded, out of memory. */
export class DeviceError extends WeftError {
  override readonly name: string = "DeviceError";
}

/** Use of a device or its objects after `close()`, or of a program or a trainer after `destroy()`. */
export class ClosedError extends DeviceError {
  override readonly name = "ClosedError";

  constructor(
    message = "device: was closed; open another one with openDevice() and create what you need on it",
  ) {
    super(message);
  }
}

/** The device was lost (driver reset, tab in background, `destroy()`); a new one must be opened. */
export class DeviceLostError extends DeviceError {
  override readonly name = "DeviceLostError";
}

/** A shader that the driver's compiler refuses; the message contains file, line, column and source line. */
export class ShaderError extends DeviceError {
  override readonly name = "ShaderError";
}

/** A value read, or a graph used, in a way that its state does not allow. */
export class GraphError extends WeftError {
  override readonly name = "GraphError";
}
