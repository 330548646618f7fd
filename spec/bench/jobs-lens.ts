/** Jobs on what latents do to the logits: their statistics, and token sets enriched in them. */
import { saeAt } from '../../analyses/attached-saes.js'
import { latentStatistics } from '../../analyses/index.js'
import { eachProjection } from '../../analyses/enrichment/latent-projections.js'
import type { Result } from '../../lib/report/result/result.js'
import { SetScoresWorker } from '../../lib/stats/set-scores-worker.js'
import { job, type Prepared } from './job.js'

const firstLatents = (count: number) => Array.from({ length: count }, (_, latent) => latent)
/** Places whose numbers are compared, as many as there are. */
const shown = (places: readonly number[], count: number) => places.filter((place) => place < count)

export const logitStats = job(async (material): Promise<Prepared<Result>> => {
  const [model, sae] = [await material.model(), await material.sae('gpt2-small-sae')]
  const latents = firstLatents(Math.min(2048, sae.config.dSae))
  const { dVocab, dModel } = model.config
  return {
    run: () => latentStatistics(model.withSaes(sae), { latents, onProgress: () => undefined }),
    report(result) {
      const rows = shown([0, 1, 1000, 2047], latents.length)
      const column = (name: string) => rows.map((row) => result.at(row, name))
      const names = ['mean', 'std', 'skewness', 'kurtosis']
      return {
        work: { latents: latents.length, vocab: dVocab },
        check: Object.fromEntries(names.map((name) => [name, column(name)])),
        flops: 2 * latents.length * dModel * dVocab,
      }
    },
    dispose: () => undefined,
  }
})

/** As on the peer's side, the projections are made before. */
export const tsea = job(async (material): Promise<Prepared<Float64Array[]>> => {
  const [model, sae] = [await material.model(), await material.sae('gpt2-small-sae')]
  const latents = firstLatents(Math.min(1024, sae.config.dSae))
  const sets = Object.entries(material.tokenSets)
  const view = model.withSaes(sae)
  const projections: Float32Array[] = []
  for await (const { projection } of eachProjection(view, saeAt('bench', view), { latents })) {
    projections.push(projection.slice())
  }
  const { dVocab } = model.config
  return {
    async run() {
      const scores: Float64Array[] = []
      const take = (signed: Float64Array | undefined, latent: number) => (scores[latent] = signed!.map(Math.abs))
      using all = new SetScoresWorker(
        { elements: dVocab, sets: sets.map(([, ids]) => ids), rows: latents.length },
        take,
      )
      for (const [latent, projection] of projections.entries()) await all.add(projection, latent)
      all.finish()
      return scores
    },
    report(scores) {
      const columns = shown([0, 1, 1000], latents.length)
      const compared = sets.flatMap(([name], set) =>
        set % 6 === 0 ? [[name, columns.map((latent) => scores[latent]![set]!)] as const] : [],
      )
      return {
        work: { sets: sets.length, latents: latents.length, vocab: dVocab, ids: sets.flatMap(([, ids]) => ids).length },
        check: Object.fromEntries(compared),
      }
    },
    dispose: () => undefined,
  }
})
