/** Jobs on rows of text: tokens that follow a prompt, and the examples in a corpus that activate latents most. */
import * as tf from '@tensorflow/tfjs'
import { maxActivating, type MaxActivating } from '../../analyses/index.js'
import { loadData } from '../../lib/data/load-data.js'
import type { Generation } from '../../lib/generation/index.js'
import { job, logitTie, relativeTie, type Prepared } from './job.js'

const NEW_TOKENS = 64

export const generate = job(async (material): Promise<Prepared<Generation>> => {
  const model = await material.model()
  const prompt = model.toTokens(material.ids('clean_1x16'))
  return {
    run: () => model.generate(prompt, { maxNewTokens: NEW_TOKENS, sample: false, stopAtEos: false }),
    report({ rows, newIds }) {
      const gaps = tf.tidy(() => {
        const logits = model.run(rows.map((row) => row.slice(0, -1)))
        const best = logits.slice([0, prompt.positions - 1, 0], [1, -1, -1]).topk(2).values
        return Array.from(best.dataSync()).flatMap((first, i, all) => (i % 2 === 0 ? [first - all[i + 1]!] : []))
      })
      const close = gaps.findIndex((gap) => logitTie(gap, 0))
      return {
        work: { prompt: prompt.positions, new: newIds[0]!.length },
        check: { new_tokens: [...newIds[0]!], smallest_gap: Math.min(...gaps) },
        // once one token may be another, so may all that follow it
        ties: { new_tokens: gaps.map((_, i) => close >= 0 && i >= close) },
      }
    },
    dispose: (generation) => generation.dispose(),
  }
})

export const maxActs = job(async (material): Promise<Prepared<MaxActivating>> => {
  const [model, sae] = [await material.model(), await material.sae('gpt2-small-sae')]
  const corpus = material.ids('corpus_64x128')
  const data = await loadData(model, corpus, { rows: 16, positions: corpus[0]!.length })
  const latents = material.latents
  const [k, buffer] = [10, 10]
  return {
    run: () => maxActivating(model.withSaes(sae), data, { latents, k, buffer }),
    report(result) {
      const some = latents.filter((_, i) => i % Math.floor(latents.length / 4) === 0).slice(0, 4)
      const first = some.map((latent) => [String(latent), result.of(latent)] as const)
      const acts = first.map(([latent, examples]) => [latent, examples.map(({ activation }) => activation)] as const)
      const tied = (values: readonly number[], i: number) =>
        [i - 1, i + 1].some((other) => other in values && relativeTie(values[i]!, values[other]!))
      return {
        work: { tokens: [corpus.length, corpus[0]!.length], latents: latents.length, examples: k, buffer },
        check: Object.fromEntries(
          first.map(([latent, examples]) => {
            const best = examples.slice(0, 3)
            const at = best.map(({ row, position }) => [row, position])
            return [latent, { acts: best.map(({ activation }) => activation), at }]
          }),
        ),
        ties: Object.fromEntries(acts.map(([latent, values]) => [latent, [0, 1, 2].map((i) => tied(values, i))])),
      }
    },
    dispose: () => undefined,
  }
})
