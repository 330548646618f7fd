/** An SAE's evaluation against SAEs whose numbers are known, plain float64 sums, and the table in the pocket model's card. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { isFull } from '../../runner/proofs.js'
import { evaluateSae, type EvaluationMetrics, type EvaluationOptions } from '../../../analyses/index.js'
import type { HookedModel } from '../../../lib/model.js'
import { Result } from '../../../lib/report/result/result.js'
import { loadModel } from '../../../models/load-model.js'
import { loadSae } from '../../../saes/load-sae.js'
import { StandardSae, Transcoder, type Sae, type SaeConfig } from '../../../saes/index.js'
import { expectClose, tolerances } from '../../support/close.js'
import { pocket } from '../../support/pocket.js'
import { refusalOf } from '../../support/refusal.js'
import { randomTensor, smallConfig } from '../../support/saes.js'
import { tinyFiles } from '../../support/tiny-gpt2.js'
import { rowsData, storyRows } from '../../support/token-rows.js'
import { withFolder } from '../../support/weight-files.js'

const hookName = 'blocks.1.hook_resid_pre'
const rows = [
  [3, 7, 1, 20, 5, 9],
  [3, 4, 4, 11, 2, 8],
  [3, 15, 22],
]

/** Twelve numbers, twice as many latents: one for each direction and its opposite. */
function toy(weights: { enc?: number; dec?: number; b_dec?: Float32Array }, fields: Partial<SaeConfig> = {}): Sae {
  const { enc = 1, dec = 1, b_dec = new Float32Array(12) } = weights
  const sae = new StandardSae({ config: smallConfig({ dIn: 12, dSae: 24, applyBDecToInput: false, ...fields }) })
  sae.build()
  tf.tidy(() => {
    const both = tf.concat([tf.eye(12), tf.eye(12).neg()], 1)
    const tensors = {
      W_enc: both.mul(enc),
      W_dec: both.transpose().mul(dec),
      b_enc: tf.zeros([24]),
      b_dec: tf.tensor(b_dec),
    }
    sae.load(tensors)
  })
  return sae
}

describe('evaluateSae', () => {
  let model: HookedModel
  let view: HookedModel

  before(async () => {
    view = await pocket()
    await withFolder(tinyFiles(), async (folder) => {
      model = await loadModel(folder)
      await model.provenance() // reads the files, which are gone afterwards
    })
  })
  after(() => model.dispose())

  const data = rowsData(rows, 2)
  const metricsOf = async (sae: Sae, options: Omit<EvaluationOptions, 'sae'> = {}) =>
    (await evaluateSae(model, data, { sae, ...options })).metrics

  /** Activations of the tokens that are no filling, in float64. */
  function activations(): number[][] {
    return rows.flatMap((row) => {
      using cache = model.runWithCache(row, { names: hookName, logits: false })
      return (cache.get(hookName).arraySync() as number[][][])[0]!
    })
  }

  describe('of SAEs whose numbers are known', () => {
    it('gives the exact SAE everything: nothing lost, a latent for each number that is not 0', async () => {
      using sae = toy({})
      const m = await metricsOf(sae)
      expect(m.l0).to.equal(12)
      const l1 =
        activations()
          .flat()
          .reduce((sum, value) => sum + Math.abs(value), 0) / 15
      expectClose([m.l1], [l1], tolerances.layer)
      expectClose([m.explainedVariance, m.mse, m.cosine], [1, 0, 1], tolerances.op)
      expectClose([m.lossWithSae, m.ceLossScore, m.ceLossScoreOfMean], [m.loss, 1, 1], tolerances.tiny)
      expectClose([m.klWithSae, m.klScore], [0, 1], tolerances.tiny)
    })

    it('gives the SAE that says nothing what zero ablation has', async () => {
      using sae = toy({ enc: 0 })
      const m = await metricsOf(sae)
      expect(m).to.include({ l0: 0, l1: 0, cosine: 0, dead: 24, rare: 24 })
      expectClose([m.lossWithSae, m.ceLossScore, m.klScore], [m.lossZeroAblated, 0, 0], 0)
      const squares = activations().map((x) => x.reduce((sum, value) => sum + value ** 2, 0))
      expectClose([m.mse], [squares.reduce((a, b) => a + b, 0) / 15], tolerances.layer)
    })

    it('gives the SAE that says the mean what mean ablation has', async () => {
      const all = activations()
      const mean = Float32Array.from(all[0]!, (_, d) => all.reduce((sum, x) => sum + x[d]!, 0) / all.length)
      using sae = toy({ enc: 0, b_dec: mean })
      const m = await metricsOf(sae)
      expectClose([m.explainedVariance, m.lossWithSae, m.ceLossScoreOfMean], [0, m.lossMeanAblated, 0], tolerances.tiny)
    })

    it('gives the SAE that halves a quarter of the squares as error', async () => {
      using sae = toy({ dec: 0.5 })
      using nothing = toy({ enc: 0 })
      const [half, none] = [await metricsOf(sae), await metricsOf(nothing)]
      expectClose([half.mse, half.cosine], [none.mse / 4, 1], tolerances.layer)
      expectClose([1 - half.explainedVariance], [(1 - none.explainedVariance) / 4], tolerances.layer)
      for (const score of [0, 1]) expect(Math.abs(half.ceLossScore - score)).to.be.above(0.01)
    })

    it('gives any SAE the model itself when its error is kept, and its own reconstructions', async () => {
      using sae = toy({ dec: 0.5 })
      const [m, without] = [await metricsOf(sae, { errorTerm: true }), await metricsOf(sae)]
      expectClose([m.lossWithSae, m.klWithSae], [m.loss, 0], tolerances.tiny)
      expectClose([m.mse, m.explainedVariance], [without.mse, without.explainedVariance], tolerances.tiny)
    })
  })

  /** The numbers written out, token by token. `counts` says which tokens do, `keeps` which keep their activation. */
  function plainMetrics(sae: Sae, counts: (id: number) => boolean, everywhere: boolean) {
    const at = sae.hookNameOut ?? sae.hookName
    const replaced = (id: number) => everywhere || counts(id)
    const sums = { l0: 0, mse: 0, loss: 0, lossWithSae: 0, lossZeroAblated: 0, klWithSae: 0 }
    const n = { tokens: 0, losses: 0, predictions: 0 }
    for (const row of rows) {
      tf.tidy(() => {
        using cache = model.runWithCache(row, { names: [sae.hookName, at] })
        const acts = sae.encode(cache.get(sae.hookName))
        const recons = sae.decode(acts, cache.get(sae.hookName))
        const where = tf.tensor(row.map((id) => (replaced(id) ? 1 : 0))).reshape([
          1,
          row.length,
          ...cache
            .get(at)
            .shape.slice(2)
            .map(() => 1),
        ])
        const run = (value: tf.Tensor) =>
          model.withHooks({ [at]: (x: tf.Tensor) => value.mul(where).add(x.mul(tf.sub(1, where))) }).run(row)
        const logs = (logits: tf.Tensor) => logits.arraySync() as number[][][]
        const [plain, spliced, zero] = [cache.logits, run(recons), run(tf.zerosLike(recons))].map((logits) =>
          logs(logits)[0]!.map(logProbs),
        )
        const [x, f, y] = [cache.get(at), acts, recons].map(
          (t) => t.reshape([row.length, -1]).arraySync() as number[][],
        )
        row.forEach((id, p) => {
          if (counts(id)) {
            n.tokens++
            sums.l0 += f![p]!.filter((value) => value > 0).length
            sums.mse += x![p]!.reduce((sum, value, d) => sum + (value - y![p]![d]!) ** 2, 0)
          }
          if (!replaced(id)) return
          n.predictions++
          sums.klWithSae += plain![p]!.reduce((sum, log, v) => sum + Math.exp(log) * (log - spliced![p]![v]!), 0)
          if (p + 1 === row.length) return
          n.losses++
          sums.loss -= plain![p]![row[p + 1]!]!
          sums.lossWithSae -= spliced![p]![row[p + 1]!]!
          sums.lossZeroAblated -= zero![p]![row[p + 1]!]!
        })
      })
    }
    return {
      l0: sums.l0 / n.tokens,
      mse: sums.mse / n.tokens,
      loss: sums.loss / n.losses,
      lossWithSae: sums.lossWithSae / n.losses,
      lossZeroAblated: sums.lossZeroAblated / n.losses,
      klWithSae: sums.klWithSae / n.predictions,
    }
  }

  function expectMetrics(m: EvaluationMetrics, expected: ReturnType<typeof plainMetrics>): void {
    for (const [name, value] of Object.entries(expected))
      expectClose([m[name as keyof EvaluationMetrics]], [value], tolerances.tiny, name)
    const score = (expected.lossZeroAblated - expected.lossWithSae) / (expected.lossZeroAblated - expected.loss)
    expectClose([m.ceLossScore], [score], 1e-3, 'score') // two differences of losses, one over the other
  }

  const cases: [string, Omit<EvaluationOptions, 'sae'>, (id: number) => boolean, boolean][] = [
    ['every token', { exclude: 'none' }, () => true, false],
    ['all but some ids', { exclude: [3, 4] }, (id) => id !== 3 && id !== 4, false],
    ['all but one id, losses of all', { exclude: [3], losses: 'all' }, (id) => id !== 3, true],
  ]
  for (const [what, options, counts, everywhere] of cases) {
    it(`sums what plain float64 sums over ${what}`, async () => {
      for (const normalization of ['none', 'layer_norm'] as const) {
        using sae = random(new StandardSae({ config: smallConfig({ dIn: 12, dSae: 20, normalization }) }))
        expectMetrics(await metricsOf(sae, options), plainMetrics(sae, counts, everywhere))
      }
    })
  }

  it('reads heads flattened', async () => {
    using sae = random(
      new StandardSae({ config: smallConfig({ dIn: 12, hookName: 'blocks.0.attn.hook_z', flattenHeads: true }) }),
    )
    expectMetrics(
      await metricsOf(sae),
      plainMetrics(sae, () => true, false),
    )
  })

  it('holds a transcoder to what it stands in for', async () => {
    const config = smallConfig({
      architecture: 'transcoder',
      dIn: 12,
      dOut: 12,
      hookName: 'blocks.1.ln2.hook_normalized',
      hookNameOut: 'blocks.1.hook_mlp_out',
      applyBDecToInput: false,
    })
    using sae = random(new Transcoder({ config }))
    expectMetrics(
      await metricsOf(sae),
      plainMetrics(sae, () => true, false),
    )
  })

  it('counts dead and rare latents, and how often each fires', async () => {
    using sae = toy({})
    const { metrics, logDensity, tokens } = await evaluateSae(model, data, { sae, rareBelow: Math.log10(0.3) })
    expect(tokens).to.equal(15)
    const share = (sign: number) =>
      activations()[0]!.map((_, d) => activations().filter((x) => x[d]! * sign > 0).length / 15)
    const shares = [...share(1), ...share(-1)]
    expectClose(
      logDensity.values,
      shares.map((value) => Math.log10(value + 1e-10)),
      tolerances.op,
    )
    expect(metrics.dead).to.equal(shares.filter((value) => value === 0).length)
    expect(metrics.rare).to.equal(shares.filter((value) => value < 0.3).length)
    expect(metrics.rare).to.be.above(metrics.dead)
  })

  it('does not depend on how the data is cut into batches, and stops where told', async () => {
    using sae = toy({ dec: 0.5 })
    const one = await evaluateSae(model, rowsData(rows, 3), { sae })
    const each = await evaluateSae(model, rowsData(rows, 1), { sae })
    expectClose(one.result.values, each.result.values, tolerances.tiny)
    const seen: number[][] = []
    const part = await evaluateSae(model, data, { sae, batches: 1, onProgress: (...done) => seen.push(done) })
    expect(part.tokens).to.equal(12)
    expect(seen).to.deep.equal([[1, 1]])
  })

  it('refuses what it cannot do, before any run', async () => {
    using sae = toy({})
    const run = (options: object, of = model) => refusalOf(() => evaluateSae(of, data, { sae, ...options }))
    expect(await run({ loss: 'all' })).to.include("evaluateSae: there is no option 'loss'. Did you mean 'losses'?")
    expect(await run({ sae: undefined })).to.include('evaluateSae: sae is undefined. Give an SAE')
    const stopped = evaluateSae(model, data, { sae, signal: AbortSignal.abort(new Error('enough')) })
    expect(await stopped.catch((error: Error) => error.message)).to.equal('enough')
    expect(await run({ exclude: 'first' })).to.equal(
      `ArgumentError: evaluateSae: exclude is "first". It must be 'none', 'bos', 'special' or a list of token ids.`,
    )
    expect(await run({ losses: 'some' })).to.equal(
      "ArgumentError: evaluateSae: losses is 'some'. It must be 'counted' or 'all'.",
    )
    expect(await run({ batches: 0 })).to.equal(
      'ArgumentError: evaluateSae: batches is 0. It must be a whole number, at least 1.',
    )
    expect(await run({}, model.stopAt(2))).to.equal(
      'ArgumentError: evaluateSae: this view stops early and has no logits. Use a view that does not stop.',
    )
    expect(await run({ exclude: Array.from({ length: 23 }, (_, id) => id) })).to.equal(
      'TokenError: evaluateSae: the data has no token that counts. Give longer rows, or exclude fewer tokens.',
    )
  })

  it('gives the numbers of the table in the card of the pocket model', async function () {
    this.timeout(120_000)
    // models/pocket/CARD.md: L0, explained variance, loss recovered, on rows of 128 tokens that it does not name
    const table: [string, string, number, number, number][] = [
      ['pocket-res', 'blocks.2.hook_resid_pre', 14.8, 0.945, 0.994],
      ['pocket-z', 'blocks.0.hook_z', 26.9, 0.905, 0.965],
      ['pocket-mlp', 'blocks.1.mlp.hook_post', 17.2, 0.95, 0.992],
    ]
    const stories = rowsData(await storyRows(view, 40), 20)
    for (const [release, id, l0, explained, recovered] of isFull() ? table : table.slice(0, 1)) {
      using sae = await loadSae(release, id)
      const { metrics, result } = await evaluateSae(view, stories, { sae, exclude: 'bos', losses: 'all' })
      // other rows of the same text: 40 of them differ from 284 by up to 0.2, 0.002 and 0.006
      expectClose([metrics.l0], [l0], 0.4, `${id} L0`)
      expectClose([metrics.explainedVariance], [explained], 0.004, `${id} explained variance`)
      expectClose([metrics.ceLossScore], [recovered], 0.008, `${id} loss recovered`)
      expect(result.provenance.saes).to.deep.equal([`${release}/${id}`])
      expect(result.at('ceLossScore')).to.equal(Math.fround(metrics.ceLossScore))
      expect(Result.fromJSON(JSON.parse(JSON.stringify(result))).toJSON()).to.deep.equal(result.toJSON())
    }
  })
})

function random(sae: Sae): Sae {
  const weights = Object.fromEntries(
    Object.entries(sae.weightShapes()).map(([name, shape], i) => [name, randomTensor(shape, 3 + 17 * i)]),
  )
  sae.load(weights)
  tf.dispose(weights)
  return sae
}

function logProbs(logits: readonly number[]): number[] {
  const total = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0))
  return logits.map((logit) => logit - total)
}
