/** Whether stored tensors are those of an SAE. */
import { fewNames } from '../lib/errors/brief.js'
import { ConfigError, FileError } from '../lib/errors/errors.js'
import type { StoredTensors } from './formats/stored-tensors.js'
import type { Sae } from './sae.js'

/**
 * Checks names and shapes, before any number is read.
 * @throws FileError for a tensor that is missing or has no place, ConfigError for another shape than the config's
 */
export function checkTensors(sae: Sae, tensors: StoredTensors): void {
  const shapes = sae.weightShapes()
  for (const [name, shape] of Object.entries(shapes)) {
    const tensor = tensors.get(name)
    if (!tensor) {
      throw new FileError(
        `loadSae: '${sae.label}' has no tensor '${name}'. Its config asks for one of shape [${shape}].`,
      )
    }
    if (tensor.shape.join() !== shape.join()) {
      throw new ConfigError(
        `loadSae: ${name} of '${sae.label}' has shape [${tensor.shape}]. Its config asks for [${shape}].`,
      )
    }
  }
  const extra = [...tensors.keys()].filter((name) => !Object.hasOwn(shapes, name))
  if (extra.length === 0) return
  const { architecture } = sae.config
  throw new FileError(
    `loadSae: '${sae.label}' has tensors that a ${architecture} SAE has no place for: ${fewNames(extra)}.`,
  )
}
