/** The last block for one position: the same numbers from fewer of them. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import type { Architecture } from '../../../../lib/transformer/architecture.js'
import { silent } from '../../../../lib/transformer/at.js'
import { runUntil } from '../../../../lib/transformer/until.js'
import { gpt2 } from '../../../../models/gpt2.js'
import { joinPast } from '../../../../lib/transformer/kv-cache.js'
import { loss, type Metric } from '../../../../lib/core/metrics.js'
import type { HookedModel } from '../../../../lib/model.js'
import { lastBlock, type BlockRun } from '../../../../lib/sweep/run/last-block.js'
import { ioi } from '../../../support/ioi.js'
import { pocket } from '../../../support/pocket.js'

const quiet = { onProgress: false } as const

/**
 * On the native backend attention and MLP are a graph each, which adds onto its last input, the sixth or a later one, or
 * both are one graph of ten inputs or more, which adds twice onto its first: shapes of these sums until the end is called.
 */
function watchGraphs(): () => number[][] {
  const shapes: number[][] = []
  const backend = tf.backend() as unknown as { runSavedModel?: (...args: [number, tf.Tensor[]]) => tf.Tensor[] }
  const run = backend.runSavedModel
  if (!run) return () => shapes
  backend.runSavedModel = (...args) => {
    const outputs = run.apply(backend, args)
    const [{ length }, given] = [args[1], outputs[0]!.shape]
    const isOnto = (input: tf.Tensor) => String(input.shape) === String(given)
    if (length >= 10 && isOnto(args[1][0]!)) shapes.push(given, given)
    else if (length >= 6 && isOnto(args[1][length - 1]!)) shapes.push(given)
    return outputs
  }
  return () => (Reflect.deleteProperty(backend, 'runSavedModel'), shapes)
}

describe('the last block where one position is read', () => {
  let model: HookedModel
  before(async () => void (model = await pocket()))

  it('hands over keys and values of the others, computes no more of them, and frees them when it fails', () => {
    const seen: string[] = []
    // attention that looks at all positions alike: the sum of the values
    const run = ({ resid, part, past, until }: BlockRun) =>
      runUntil(until, silent, (at) => {
        seen.push(`${part.begin} ${part.count} ${past?.length}`)
        const heads = resid.expandDims<tf.Tensor4D>(2)
        const fresh = { k: at('blocks.3.attn.hook_k', heads), v: at('blocks.3.attn.hook_v', heads) }
        const all = joinPast(past, 3, fresh)
        seen.push(`${all.v.shape[1]} values`)
        return resid.add<tf.Tensor3D>(all.v.sum([1]))
      })
    const resid = tf.tensor3d([1, 2, 4], [1, 3, 1])
    const of = (entering: tf.Tensor3D) => ({
      model: { architecture: gpt2 as Architecture, config: model.config },
      resid: entering,
      past: undefined,
    })
    const out = lastBlock(of(resid), run)
    expect(Array.from(out.dataSync())).to.deep.equal([11])
    expect(seen).to.deep.equal(['0 2 undefined', '2 1 2', '3 values'])
    const one = tf.tidy(() => lastBlock(of(resid.slice([0, 2, 0], [1, 1, 1])), run))
    expect(Array.from(one.dataSync())).to.deep.equal([8])
    tf.dispose([out, one])
    const broken = (block: BlockRun) => {
      if (block.part.begin > 0) throw new Error('broken')
      return run(block)
    }
    expect(() => lastBlock(of(resid), broken)).to.throw('broken')
    resid.dispose()
  })

  it('is all that a sweep runs of it, in the clean run too', async () => {
    const { clean, metric } = await ioi(3)
    const { dModel } = model.config
    const edits = [{ hook: 'blocks.1.hook_mlp_out', to: 'zero' as const }]
    /** Tokens that are embedded, and that go through attention and MLP: each adds to the residual stream. */
    const tokensOf = async (metric: Metric) => {
      const sweep = async () => {
        await model.sweep(clean, { interventions: edits, metric, ...quiet })
        return tf.scalar(0)
      }
      const ofGraphs = watchGraphs()
      const { kernels, result } = await tf.profile(sweep)
      tf.dispose(result)
      const ofAlike = ([a, b]: number[][]) => String(a) === String(b) // not that with a bias
      const adds = kernels.filter(({ name, inputShapes }) => name === 'Add' && ofAlike(inputShapes))
      const ofOps = adds.flatMap(({ outputShapes }) => outputShapes)
      const residual = [...ofOps, ...ofGraphs()].filter((shape) => shape.at(-1) === dModel)
      return residual.reduce((sum, shape) => sum + tf.util.sizeFromShape(shape) / dModel, 0)
    }
    const [rows, positions] = [3, 22]
    const tokens = rows * positions
    // embedding and three blocks of the clean run, the edit and one block behind it; then the last block of both
    expect(await tokensOf(metric)).to.equal((1 + 2 * 3) * tokens + (1 + 2) * tokens + 2 * 2 * rows)
    // all of the clean run, and behind the edit all positions with a next token
    expect(await tokensOf(loss())).to.equal((1 + 2 * 4) * tokens + (1 + 2 * 2) * rows * (positions - 1))
  })
})
