/**
 * The library's error classes. Every error a user can cause is one of these: `code` is stable, `message` reads
 * `<verb>: <what was wrong, with its value>. <what would be right>.` docs/errors.md has a section for each code.
 */

/** Base of all errors thrown on purpose by this library. */
export class LensError extends Error {
  readonly code: string
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.name = new.target.name
  }
}

/** A value handed to a function or command is not one it can take. */
export class ArgumentError extends LensError {
  constructor(message: string, options?: ErrorOptions) {
    super('E_ARGUMENT', message, options)
  }
}

/** A hook point that the model, or the view at hand, does not have. */
export class HookError extends LensError {
  constructor(message: string, options?: ErrorOptions) {
    super('E_HOOK', message, options)
  }
}

/** A tensor whose shape or type is not the one that is needed. */
export class ShapeError extends LensError {
  constructor(message: string, options?: ErrorOptions) {
    super('E_SHAPE', message, options)
  }
}

/** A file or folder that is missing, truncated, malformed or lies about its content. */
export class FileError extends LensError {
  constructor(message: string, options?: ErrorOptions) {
    super('E_FILE', message, options)
  }
}

/** A configuration (config.json, cfg.json) that lacks a field, or whose fields do not fit together or the weights. */
export class ConfigError extends LensError {
  constructor(message: string, options?: ErrorOptions) {
    super('E_CONFIG', message, options)
  }
}

/** Text or token ids that the tokenizer or the model cannot take. */
export class TokenError extends LensError {
  constructor(message: string, options?: ErrorOptions) {
    super('E_TOKEN', message, options)
  }
}

/** Two things that do not belong together, such as an SAE and a model with other weight processing. */
export class MismatchError extends LensError {
  constructor(message: string, options?: ErrorOptions) {
    super('E_MISMATCH', message, options)
  }
}

/** No usable tfjs backend, or a tensor that the running one cannot hold. */
export class BackendError extends LensError {
  constructor(message: string, options?: ErrorOptions) {
    super('E_BACKEND', message, options)
  }
}
