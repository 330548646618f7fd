/** Jobs with an SAE in the model: runs, ablation of latents, attribution to latents. */
import * as tf from '@tensorflow/tfjs'
import { ablation } from '../../analyses/index.js'
import type { ActivationCache } from '../../lib/residual/activation-cache.js'
import type { EffectResult } from '../../lib/report/result/effect-result.js'
import { saeFlops } from './flops.js'
import { finish, job, largest, numberOf, numbersAt, relativeTie, type Prepared } from './job.js'
import { logitsReport } from './jobs-model.js'
import type { SaeFolder } from './material.js'

export const saeRun = (folder: SaeFolder) =>
  job(async (material): Promise<Prepared<ActivationCache>> => {
    const [model, sae] = [await material.model(), await material.sae(folder)]
    const tokens = model.toTokens(material.ids('tokens_8x64'))
    const name = `${sae.hookName}.hook_sae_acts_post`
    return {
      run() {
        const cache = model.withSaes(sae).runWithCache(tokens, { names: name })
        finish(cache.logits)
        return cache
      },
      report(cache) {
        const acts = cache.get(name)
        const base = logitsReport(model, cache.logits, tokens)
        const last = numbersAt(acts, [0, tokens.positions - 1, 0], [1, 1, -1])
        const top = largest(last, 3, relativeTie)
        return {
          work: { acts: acts.shape, logits: cache.logits.shape },
          check: {
            ...base.check,
            l0: numberOf(() => acts.greater(0).sum(-1).mean()),
            acts_sum: sum(acts.dataSync()),
            top_latents: top.indices,
            top_acts: top.indices.map((latent) => last[latent]!),
          },
          ties: { ...base.ties, top_latents: top.tied },
          flops: base.flops! + saeFlops(sae.config, tokens),
        }
      },
      dispose: (cache) => cache.dispose(),
    }
  })

/** In double precision. */
function sum(values: ArrayLike<number>): number {
  let total = 0
  for (let i = 0; i < values.length; i++) total += values[i]!
  return total
}

export const latentAblation = job(async (material): Promise<Prepared<EffectResult>> => {
  const [model, sae] = [await material.model(), await material.sae('gpt2-small-sae')]
  const tokens = model.toTokens(material.ids('ioi_8x16'))
  const metric = material.logitDiff('answers_8x16')
  const { pos, latents } = material.ablation
  return {
    run: () =>
      ablation(model.withSaes(sae, { errorTerm: true }), tokens, {
        metric,
        target: { hook: `${sae.hookName}.hook_sae_acts_post`, unit: latents },
        position: pos,
        onProgress: () => undefined,
      }),
    report(result) {
      const effects = Array.from(result.mean('prompt').values)
      return {
        work: { prompts: [tokens.batch, tokens.positions], runs: latents.length + 1 },
        check: {
          clean: sum([...result.baseline.values]) / tokens.batch,
          effects: effects.slice(0, 8),
          abs_sum: sum(effects.map(Math.abs)),
        },
      }
    },
    dispose: () => undefined,
  }
})

interface Attributed {
  readonly value: number
  /** Of every latent and position [B,P,S]. */
  readonly attribution: tf.Tensor
  readonly live: readonly Firing[]
}

export const latentAttribution = job(async (material): Promise<Prepared<Attributed>> => {
  const [model, sae] = [await material.model(), await material.sae('gpt2-small-sae')]
  const tokens = model.toTokens(material.ids('ioi_8x16'))
  const metric = material.logitDiff('answers_8x16')
  const share = 1 / tokens.batch // gradients are of each prompt's own number, the peer's of their mean
  const names = `${sae.hookName}.hook_sae_acts_post`
  const { dSae } = sae.config
  return {
    run() {
      const view = model.withSaes(sae, { errorTerm: true })
      using run = view.runWithGradients(tokens, { names, metric })
      const acts = run.cache.get(names)
      const attribution = tf.tidy(() => run.gradients.get(names).mul(acts).mul(-share)) // [B,P,S]
      return {
        value: numberOf(() => run.value.mean()),
        attribution,
        live: firing(acts, attribution),
      }
    },
    report({ value, attribution, live }) {
      const summed = tf.tidy(() => attribution.sum(1)) // [B,S]
      const total = numbersAt(summed, [0, 0], [1, -1])
      summed.dispose()
      const top = largest(total.map(Math.abs), 5, relativeTie)
      return {
        work: { prompts: [tokens.batch, tokens.positions], latents: dSae, live: live.length },
        check: {
          value,
          top_latents: top.indices,
          top_attribution: top.indices.map((latent) => total[latent]!),
          abs_sum: sum(live.map(({ attribution }) => Math.abs(attribution))),
        },
        ties: { top_latents: top.tied },
      }
    },
    dispose: ({ attribution }) => attribution.dispose(),
  }
})

/** A latent that fires at a position: its place in [B,P,S]. */
interface Firing {
  readonly index: number
  readonly attribution: number
}

/** All that fire: they are found in a byte each, and only their attributions are read. */
function firing(acts: tf.Tensor, attribution: tf.Tensor): Firing[] {
  return tf.tidy(() => {
    const fires = acts.greater(0).dataSync() as Uint8Array
    const places: number[] = []
    for (let i = fires.indexOf(1); i >= 0; i = fires.indexOf(1, i + 1)) places.push(i)
    const values = tf.gather(attribution.flatten(), tf.tensor1d(places, 'int32')).dataSync()
    return places.map((index, i) => ({ index, attribution: values[i]! }))
  })
}
