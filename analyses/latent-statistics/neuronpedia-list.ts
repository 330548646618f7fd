/** A link that opens some latents of an SAE as a list on Neuronpedia. */
import { ArgumentError } from '../../lib/errors/errors.js'

/** What the link needs of an SAE's config; `sae.config` has it for published SAEs. */
export interface NeuronpediaSae {
  /** Neuronpedia's model and SAE, such as `gpt2-small/7-res-jb`. */
  readonly neuronpediaId?: string
  /** @default the model of the id */
  readonly modelName?: string
}

/**
 * The link, with the same characters as SAELens' `get_neuronpedia_quick_list` gives it. Nothing is opened or sent.
 *
 * @param name the list's heading @default 'temporary_list'
 * @example neuronpediaListUrl(sae.config, latentsBy(statistics, 'skewness', { k: 10 }).latents)
 * @throws ArgumentError when the SAE has no Neuronpedia id, or a latent is no whole number from 0
 */
export function neuronpediaListUrl(sae: NeuronpediaSae, latents: readonly number[], name = 'temporary_list'): string {
  const [model, layer] = sae.neuronpediaId?.split('/') ?? []
  if (!model || !layer) {
    const got = JSON.stringify(sae.neuronpediaId)
    throw new ArgumentError(
      `neuronpediaListUrl: the SAE's neuronpediaId is ${got}. Give one such as 'gpt2-small/7-res-jb'.`,
    )
  }
  const wrong = latents.find((latent) => !Number.isSafeInteger(latent) || latent < 0)
  if (wrong !== undefined || latents.length === 0) {
    throw new ArgumentError(
      `neuronpediaListUrl: latents is [${latents.join(', ')}]. Give at least one whole number from 0.`,
    )
  }
  const modelId = pythonString(sae.modelName ?? model)
  const items = latents.map(
    (latent) => `{"modelId": ${modelId}, "layer": ${pythonString(layer)}, "index": "${latent}"}`,
  )
  return `https://neuronpedia.org/quick-list/?name=${quote(name)}&features=${quote(`[${items.join(', ')}]`)}`
}

/** As Python's json.dumps writes a string: all beyond ASCII as \uXXXX. */
function pythonString(text: string): string {
  return JSON.stringify(text).replace(/[\u007f-\uffff]/g, (unit) => {
    return unit === '\u007f' ? unit : `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

/** As Python's urllib.parse.quote: `/` stays, `!'()*` do not; half of a surrogate pair counts as U+FFFD. */
function quote(text: string): string {
  const escaped = encodeURIComponent(text.replace(/\p{Surrogate}/gu, '\ufffd')).replaceAll('%2F', '/')
  return escaped.replace(/[!'()*]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`)
}
