/** The first blocks of a checkpoint, as if it had no others. */
import type { TensorInfo } from './formats/safetensors-header.js'

/**
 * The tensors without those of blocks from `layers` up to `all`, the number the model has; a later one stays, as it is no
 * part of the model. The number in a tensor's name is its block's.
 */
export function firstLayers(
  infos: ReadonlyMap<string, TensorInfo>,
  layers: number,
  all: number,
): ReadonlyMap<string, TensorInfo> {
  const block = (name: string) => Number(/(?:^|\.)(\d+)\./.exec(name)?.[1] ?? -1)
  return new Map([...infos].filter(([name]) => block(name) < layers || block(name) >= all))
}
