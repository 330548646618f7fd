/** Sparse autoencoders: `loadSae`, the layers, and what can be done with them. The only file that names a kind. */
import { access } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import * as tf from '@tensorflow/tfjs'
import { useBackend } from '../lib/backend.js'
import { ArgumentError, ConfigError, FileError } from '../lib/errors.js'
import { didYouMean } from '../lib/nearest.js'
import { folderSource, type Source } from '../lib/weights/source.js'
import { readSaeLensFolder, type SaeFiles } from './formats/saelens.js'
import type { Sae, SaeArgs } from './sae.js'
import { BatchTopKSae } from './batchtopk.js'
import { GatedSae } from './gated.js'
import { JumpReluSae } from './jumprelu.js'
import { StandardSae } from './standard.js'
import { TopKSae } from './topk.js'
import { JumpReluTranscoder, SkipTranscoder, Transcoder } from './transcoder.js'

export { foldActivationNorm, foldWDecNorm } from './fold.js'
export { readSaeConfig, type Normalization, type SaeConfig } from './config.js'
export { Sae, type Pass, type SaeArgs } from './sae.js'
export { BatchTopKSae, withThreshold } from './batchtopk.js'
export { GatedSae } from './gated.js'
export { JumpReluSae } from './jumprelu.js'
export { StandardSae } from './standard.js'
export { TopKSae } from './topk.js'
export { JumpReluTranscoder, SkipTranscoder, Transcoder } from './transcoder.js'

/** Kinds by the `architecture` of their config. */
const kinds: Readonly<Record<string, new (args: SaeArgs) => Sae>> = {
  standard: StandardSae,
  gated: GatedSae,
  jumprelu: JumpReluSae,
  topk: TopKSae,
  batchtopk: BatchTopKSae,
  matryoshka_batchtopk: BatchTopKSae,
  transcoder: Transcoder,
  jumprelu_transcoder: JumpReluTranscoder,
  skip_transcoder: SkipTranscoder,
}

/** Releases that come with the package: folders of SAEs for the embedded model. */
const embedded: Readonly<Record<string, readonly string[]>> = {
  'pocket-res': [
    'blocks.0.hook_resid_pre',
    'blocks.1.hook_resid_pre',
    'blocks.2.hook_resid_pre',
    'blocks.3.hook_resid_pre',
    'blocks.3.hook_resid_post',
  ],
  'pocket-z': ['blocks.0.hook_z', 'blocks.1.hook_z', 'blocks.2.hook_z', 'blocks.3.hook_z'],
  'pocket-mlp': ['blocks.1.mlp.hook_post', 'blocks.3.mlp.hook_post'],
}

/** Names of the SAEs that need no download: `[release, id]` for `loadSae(release, id)`. */
export function embeddedSaes(): [release: string, id: string][] {
  return Object.entries(embedded).flatMap(([release, ids]) => ids.map((id): [string, string] => [release, id]))
}

/**
 * Loads an SAE: `loadSae('pocket-res', 'blocks.2.hook_resid_pre')`, or a folder in SAELens's layout,
 * `loadSae('./my-sae')` or `loadSae('./release', 'id')`. Dispose it when done.
 * @throws ArgumentError for an unknown name, FileError and ConfigError for a folder that cannot be read as one.
 */
export async function loadSae(release: string, id?: string): Promise<Sae> {
  const { source, label } = await locate(release, id)
  const files = await readSaeLensFolder(source)
  await useBackend()
  return makeSae(files, label)
}

async function locate(release: string, id: string | undefined): Promise<{ source: Source; label: string }> {
  const ids = Object.hasOwn(embedded, release) ? embedded[release] : undefined
  if (ids) {
    if (id === undefined || !ids.includes(id)) {
      throw new ArgumentError(
        `loadSae: the release '${release}' has no SAE '${String(id)}'. It has ${ids.join(', ')}.${didYouMean(id ?? '', ids)}`,
      )
    }
    const folder = fileURLToPath(new URL(`./pocket/${release}/${id}/`, import.meta.url))
    return { source: await folderSource(folder), label: `${release}/${id}` }
  }
  if (!(await exists(release))) {
    throw new ArgumentError(
      `loadSae: there is no release or folder '${release}'. Name a folder with cfg.json and sae_weights.safetensors, or one of ${Object.keys(embedded).join(', ')}.` +
        didYouMean(release, Object.keys(embedded)),
    )
  }
  const folder = id === undefined ? release : `${release}/${id}`
  return { source: await folderSource(folder), label: folder }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

/** An SAE from what a folder holds. @throws ConfigError for a kind that is not supported, FileError for unfit tensors. */
function makeSae({ cfg, tensors, logSparsity }: SaeFiles, label: string): Sae {
  const Kind = Object.hasOwn(kinds, cfg.architecture) ? kinds[cfg.architecture] : undefined
  if (!Kind) {
    throw new ConfigError(
      `loadSae: '${label}' is a '${cfg.architecture}' SAE, which is not supported. Supported: ${Object.keys(kinds).join(', ')}.${didYouMean(cfg.architecture, Object.keys(kinds))}`,
    )
  }
  const sae = new Kind({ cfg, label })
  checkTensors(sae, tensors)
  sae.build() // outside tidy: its variables must live on
  tf.tidy(() => {
    sae.load(Object.fromEntries([...tensors].map(([name, t]) => [name, tf.tensor(floats(t.values), [...t.shape])])))
  })
  sae.logSparsity = logSparsity
  return sae
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
      `loadSae: '${sae.label}' has tensors that a ${sae.cfg.architecture} SAE has no place for: ${extra.join(', ')}.`,
    )
}
