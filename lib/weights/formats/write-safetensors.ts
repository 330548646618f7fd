/** Writing safetensors files: the file is there whole or not at all, and its bytes are never joined in memory. */
import { writeFileAtomic } from '../../files/write-atomic.js'
import { safetensorsParts, type EncodableTensor } from './safetensors.js'

/**
 * Writes tensors as F32 and I32, in the order given; folders are made, a file of that name is replaced.
 * @throws ShapeError when a shape does not match its values, ArgumentError for the reserved name `__metadata__`,
 *   FileError when the file cannot be written; nothing is left behind then
 */
export function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, EncodableTensor>,
  metadata?: Record<string, string>,
): Promise<void> {
  return writeFileAtomic(path, safetensorsParts(tensors, metadata))
}
