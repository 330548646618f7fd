/** `loadSae`: an SAE of any kind, from any layout and place. */
import * as tf from '@tensorflow/tfjs'
import { checkCapacity, useBackend } from '../lib/backend/backend.js'
import { ConfigError, FileError } from '../lib/errors/errors.js'
import { didYouMean } from '../lib/errors/nearest.js'
import { downloadBars } from '../lib/weights/hub/download-bars.js'
import type { HubSourceOptions } from '../lib/weights/hub/hub.js'
import type { HostTensor } from '../lib/weights/formats/safetensors.js'
import { brief, fewNames } from '../lib/errors/brief.js'
import { foldActivationNorm } from './fold.js'
import { readSae } from './formats/layouts.js'
import { joinFacts, type SaeFacts, type SaeFiles } from './formats/sae-files.js'
import { kinds } from './kinds/kinds.js'
import { locateSae } from './locate.js'
import type { Sae } from './sae.js'

export interface LoadSaeOptions extends HubSourceOptions, SaeFacts {}

/**
 * Loads an SAE by release and id, `loadSae('gpt2-small-res-jb', 'blocks.7.hook_resid_pre')`; from a folder,
 * `loadSae('./my-sae')` or `loadSae('./release', 'id')`; from a file, `loadSae('./25.pt')`; or from a repository of the
 * hub, `loadSae('org/repo', 'path/in/repo')`. Layouts: SAELens 1 to 6, Gemma Scope's params.npz, torch.save. What the
 * files do not say, such as the hook point of a bare `.pt`, is given as an option and counts more than what they say.
 * Files of the hub are kept in the cache that Python uses. Dispose the SAE when done.
 * @throws ArgumentError for an unknown name or id, FileError and ConfigError for files that are not sound, cannot be had
 *   or do not say enough
 */
export async function loadSae(name: string, options?: LoadSaeOptions): Promise<Sae>
export async function loadSae(name: string, id?: string, options?: LoadSaeOptions): Promise<Sae>
export async function loadSae(
  name: string,
  idOrOptions: string | LoadSaeOptions = {},
  options: LoadSaeOptions = {},
): Promise<Sae> {
  const [id, given] = typeof idOrOptions === 'string' ? [idOrOptions, options] : [undefined, { ...idOrOptions, ...options }] // prettier-ignore
  const { facts: known, ...located } = await locateSae(name, id, { ...given, onProgress: given.onProgress ?? downloadBars() }) // prettier-ignore
  const files = await readSae(located.source, located.path, joinFacts(known, given))
  await useBackend(undefined, 2 * files.config.dIn * files.config.dSae)
  const sae = makeSae(files, located.label)
  if (located.normScale === undefined || sae.config.normalization !== 'expected_average_only_in') return sae
  try {
    return foldActivationNorm(sae, located.normScale)
  } finally {
    sae.dispose()
  }
}

/** An SAE from what a folder holds. @throws ConfigError for a kind that is not supported, FileError for unfit tensors. */
function makeSae({ config, tensors, logSparsity }: SaeFiles, label: string): Sae {
  const Kind = Object.hasOwn(kinds, config.architecture) ? kinds[config.architecture] : undefined
  if (!Kind) {
    throw new ConfigError(
      `loadSae: '${label}' is a '${brief(config.architecture)}' SAE, which is not supported. Supported: ${Object.keys(kinds).join(', ')}.${didYouMean(config.architecture, Object.keys(kinds))}`,
    )
  }
  const sae = new Kind({ config, label })
  checkTensors(sae, tensors)
  checkCapacity(
    [...tensors.values()].reduce((bytes, { values }) => bytes + 4 * values.length, 0),
    `loadSae: ${label}`,
  )
  sae.build() // outside tidy: its variables must live on
  tf.tidy(() => {
    sae.load(Object.fromEntries([...tensors].map(([name, t]) => [name, uploaded(t)])))
  })
  sae.logSparsity = logSparsity
  return sae
}

/** Used once: the native backend holds on to the JavaScript array, a second copy of the weight, until the first use. */
function uploaded({ values, shape }: HostTensor): tf.Tensor {
  const tensor = tf.tensor(floats(values), [...shape])
  tensor.flatten()
  return tensor
}

/** Integers become floats, as in the weights of models. */
const floats = (values: Float32Array | Int32Array) =>
  values instanceof Float32Array ? values : Float32Array.from(values)

function checkTensors(sae: Sae, tensors: SaeFiles['tensors']): void {
  const shapes = sae.weightShapes()
  for (const [name, shape] of Object.entries(shapes)) {
    const tensor = tensors.get(name)
    if (!tensor)
      throw new FileError(
        `loadSae: '${sae.label}' has no tensor '${name}'. Its config asks for one of shape [${shape}].`,
      )
    if (tensor.shape.join() !== shape.join()) {
      throw new ConfigError(
        `loadSae: ${name} of '${sae.label}' has shape [${tensor.shape}]. Its config asks for [${shape}].`,
      )
    }
  }
  const extra = [...tensors.keys()].filter((name) => !(name in shapes))
  if (extra.length > 0)
    throw new FileError(
      `loadSae: '${sae.label}' has tensors that a ${sae.config.architecture} SAE has no place for: ${fewNames(extra)}.`,
    )
}
