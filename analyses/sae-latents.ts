/** Which latents of which SAEs a result is about: a run of places on its axis of latents for each SAE. */
import { z } from 'zod'
import type { AttachedSae } from '../lib/core/view.js'
import type { Axis } from '../lib/report/result/init.js'
import { layerOf } from '../lib/transformer/hook-names.js'
import type { Sae } from '../saes/index.js'

/** An SAE whose latents are in a result: a run of places on its axis of latents. */
export type SaeLatents = {
  /** Where it reads. */
  readonly hook: string
  /** Its name, `pocket-res/blocks.2.hook_resid_pre`. */
  readonly label: string
  /** As SAELens counts: one more than the block's for a point after it (`resid_post`); −1 outside the blocks. */
  readonly layer: number
  /** The place of its first latent. */
  readonly first: number
  /** Its latents, in the order of their places. */
  readonly latents: readonly number[]
  /** The model and SAE of Neuronpedia, where it is published there. */
  readonly modelName?: string
  readonly neuronpediaId?: string
}

/** `SaeLatents` in a file. */
export const saeLatentsField = z.object({
  hook: z.string(),
  label: z.string(),
  layer: z.int(),
  first: z.int(),
  latents: z.array(z.int()),
  modelName: z.string().optional(),
  neuronpediaId: z.string().optional(),
})

/** Some latents of an SAE of a view, from the place `first` on. */
export function saeLatents({ sae, readsAt }: AttachedSae<Sae>, latents: readonly number[], first = 0): SaeLatents {
  const { modelName, neuronpediaId } = sae.config
  const published = { ...(modelName && { modelName }), ...(neuronpediaId && { neuronpediaId }) }
  return { hook: readsAt, label: sae.label, layer: streamLayer(sae), first, latents, ...published }
}

/** The axis of all their latents, labelled `48` where there is one SAE, else `blocks.1.hook_resid_pre/48`. */
export function latentAxis(saes: readonly SaeLatents[]): Axis {
  const label = (hook: string, latent: number) => (saes.length === 1 ? String(latent) : `${hook}/${latent}`)
  return { name: 'latent', labels: saes.flatMap(({ hook, latents }) => latents.map((latent) => label(hook, latent))) }
}

/** The block that reads what the SAE is of: the next one at its end; −1 for a point outside the blocks. */
function streamLayer({ hookName }: Sae): number {
  const layer = layerOf(hookName)
  return layer === undefined ? -1 : layer + Number(hookName.includes('post'))
}
