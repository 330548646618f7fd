/** Every kind of SAE against its formula, written out in float64, and the laws that all of them obey. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { MismatchError } from '../../../lib/errors/errors.js'
import { silent } from '../../../lib/core/hooks.js'
import type { HookedModel } from '../../../lib/model.js'
import {
  BatchTopKSae,
  foldWDecNorm,
  GatedSae,
  JumpReluSae,
  JumpReluTranscoder,
  SkipTranscoder,
  StandardSae,
  TopKSae,
  Transcoder,
  withThreshold,
  type Sae,
  type SaeArgs,
  type SaeConfig,
} from '../../../saes/index.js'
import { expectClose, maxDifference, tolerances } from '../../support/close.js'
import { pocket } from '../../support/pocket.js'
import { randomTensor, rowsOf, smallConfig, times, transposed } from '../../support/saes.js'
import { dotProduct, slopeAtZero } from '../../support/slope.js'

type Kind = new (args: SaeArgs) => Sae
type Weights = (name: string) => number[][]

/** Latents of one token from x · W_enc, in float64. */
type Acts = (product: number[], weights: Weights, k: number) => number[]

const relu = (values: number[]) => values.map((value) => Math.max(0, value))
const plus = (a: number[], b: number[]) => a.map((value, i) => value + b[i]!)
const largest = (values: number[], k: number) => {
  const least = [...values].sort((a, b) => b - a)[k - 1]!
  return values.map((value) => (value >= least ? value : 0))
}
const above = (values: number[], threshold: number[]) => values.map((v, s) => (v > threshold[s]! ? Math.max(0, v) : 0))
const pre = (product: number[], weights: Weights) => plus(product, weights('b_enc')[0]!)
const thresholded: Acts = (product, weights) => above(pre(product, weights), weights('threshold')[0]!)
const rectified: Acts = (product, weights) => relu(pre(product, weights))

const across: Partial<SaeConfig> = {
  hookName: 'blocks.1.ln2.hook_normalized',
  hookNameOut: 'blocks.1.hook_mlp_out',
  dOut: 5,
  applyBDecToInput: false,
}
const kinds: [name: string, Kind, Partial<SaeConfig>, Acts][] = [
  ['standard', StandardSae, {}, rectified],
  ['tanh-relu', StandardSae, { activation: 'tanh-relu' }, (p, w) => relu(pre(p, w)).map(Math.tanh)],
  ['standard top-k', StandardSae, { activation: 'topk', k: 3 }, (p, w, k) => relu(largest(pre(p, w), k))],
  [
    'gated',
    GatedSae,
    { architecture: 'gated' },
    (p, w) => {
      const scale = w('r_mag')[0]!.map(Math.exp)
      const magnitude = relu(plus(p.map((v, s) => v * scale[s]!), w('b_mag')[0]!)) // prettier-ignore
      return plus(p, w('b_gate')[0]!).map((gate, s) => (gate > 0 ? magnitude[s]! : 0))
    },
  ],
  ['jumprelu', JumpReluSae, { architecture: 'jumprelu' }, thresholded],
  ['topk', TopKSae, { architecture: 'topk', k: 4 }, (p, w, k) => relu(largest(pre(p, w), k))],
  ['transcoder', Transcoder, { architecture: 'transcoder', ...across }, rectified],
  ['jumprelu_transcoder', JumpReluTranscoder, { architecture: 'jumprelu_transcoder', ...across }, thresholded],
  ['skip_transcoder', SkipTranscoder, { architecture: 'skip_transcoder', ...across }, rectified],
]

function made(Kind: Kind, fields: Partial<SaeConfig>, seed = 5): Sae {
  const sae = new Kind({ config: smallConfig(fields) })
  const weights = Object.fromEntries(
    Object.entries(sae.weightShapes()).map(([name, shape], i) => [
      name,
      shape.length === 0 ? tf.scalar(0.3) : randomTensor(shape, seed + 17 * i),
    ]),
  )
  sae.load(weights)
  tf.dispose(weights)
  return sae
}

const weightsOf =
  (sae: Sae): Weights =>
  (name) =>
    rowsOf(sae.weight(name))

/** Latents and reconstruction of rows [N][D], in float64. */
function plainly(sae: Sae, acts: Acts, x: number[][]): { latents: number[][]; output: number[][] } {
  const weights = weightsOf(sae)
  const [bDec] = weights('b_dec')
  const latents = x.map((row) => {
    const centred = sae.config.applyBDecToInput ? row.map((value, i) => value - bDec![i]!) : row
    return acts(times(centred, weights('W_enc')), weights, sae.config.k ?? 0)
  })
  const skip = (row: number[]) =>
    sae instanceof SkipTranscoder ? times(row, transposed(weights('W_skip'))) : bDec!.map(() => 0)
  return { latents, output: latents.map((row, i) => plus(plus(times(row, weights('W_dec')), bDec!), skip(x[i]!))) }
}

describe('every kind of SAE', () => {
  for (const [name, Kind, fields, acts] of kinds) {
    describe(name, () => {
      let sae: Sae
      let x: tf.Tensor
      before(() => {
        sae = made(Kind, fields)
        x = randomTensor([2, 5, 8], 9)
        tf.tidy(() => void tf.grad((v) => sae.splice().apply(v, silent))(x)) // makes the transposes it keeps
      })
      after(() => {
        sae.dispose()
        x.dispose()
      })

      it('computes its formula', () => {
        const { latents, output } = plainly(sae, acts, rowsOf(x))
        const [encoded, called] = [sae.encode(x), sae.call(x)]
        expect(latents.flat().some((value) => value > 0)).to.equal(true)
        expect(latents.flat().some((value) => value === 0)).to.equal(true)
        expectClose(encoded, latents.flat(), tolerances.layer, 'latents')
        expectClose(called, output.flat(), tolerances.layer, 'output')
        tf.dispose([encoded, called])
      })

      it('computes some latents alone, as among all', () => {
        const chosen = [7, 0, 11]
        const [all, some] = [sae.encode(x), sae.encode(x, { latents: chosen })]
        expect(some.shape).to.deep.equal([2, 5, 3])
        expectClose(some, rowsOf(all).flatMap((row) => chosen.map((latent) => row[latent]!)), tolerances.layer) // prettier-ignore
        tf.dispose([all, some])
        expect(() => sae.encode(x, { latents: [12] })).to.throw('has latents 0 to 11')
      })

      it('has the gradient of its output, by the input', () => {
        const direction = randomTensor([2, 5, 8], 31)
        const cotangent = randomTensor([2, 5, sae.config.dOut ?? 8], 32)
        const value = (input: tf.Tensor) => sae.splice().apply(input, silent).mul(cotangent).sum()
        const gradient = tf.tidy(() => tf.grad(value)(x))
        // steps far smaller than the distance to any jump; float32 rounding of sums of size 1 over a step of 1e-3
        const along = (t: number) => tf.tidy(() => value(x.add(direction.mul(t))).dataSync()[0]!)
        expect(dotProduct(gradient, direction)).to.be.closeTo(slopeAtZero(along, 1e-3), 4e-3)
        const asLayer = tf.tidy(() => tf.grad((v) => sae.call(v).mul(cotangent).sum())(x))
        expectClose(asLayer, gradient, tolerances.layer, 'the same as a layer')
        tf.dispose([direction, cotangent, gradient, asLayer])
      })

      it('comes back from its config, with its weights', () => {
        const copy = Kind.prototype.constructor.fromConfig(Kind, JSON.parse(JSON.stringify(sae.getConfig()))) as Sae
        copy.load(Object.fromEntries(Object.keys(sae.weightShapes()).map((weight) => [weight, sae.weight(weight)])))
        const [one, other] = [sae.call(x), copy.call(x)]
        expectClose(other, one, 0)
        expect(copy.computeOutputShape([null, 5, 8])).to.deep.equal([null, 5, one.shape[2]])
        tf.dispose([one, other])
        copy.dispose()
      })

      it('computes the same with decoder rows of norm 1, or says why it cannot', () => {
        if (sae.latentsCompete || sae.config.activation) {
          expect(() => foldWDecNorm(sae)).to.throw(MismatchError, /^foldWDecNorm: .*which scaled latents would change/)
          return
        }
        using folded = foldWDecNorm(sae)
        const norms = tf.tidy(() => folded.W_dec.norm('euclidean', 1).dataSync())
        expectClose(norms, norms.map(() => 1), tolerances.layer) // prettier-ignore
        const [one, other] = [sae.call(x), folded.call(x)]
        expectClose(other, one, tolerances.layer)
        tf.dispose([one, other])
      })
    })
  }

  it('batchtopk keeps the k · N largest of a batch, and becomes a JumpReLU SAE', () => {
    const sae = made(BatchTopKSae, { architecture: 'batchtopk', k: 2 }) as BatchTopKSae
    const x = randomTensor([10, 8], 9)
    const weights = weightsOf(sae)
    const [bDec] = weights('b_dec')
    const all = rowsOf(x).flatMap((row) => {
      const centred = row.map((value, i) => value - bDec![i]!)
      return relu(pre(times(centred, weights('W_enc')), weights))
    })
    const acts = sae.encode(x)
    expectClose(acts, largest(all, 20), tolerances.layer)
    using frozen = withThreshold(sae)
    const fixed = frozen.encode(x)
    expectClose(fixed, all.map((value) => (value > Math.fround(0.3) ? value : 0)), tolerances.layer) // prettier-ignore
    expect(frozen.config).to.include({ architecture: 'jumprelu' }).and.not.have.property('k')
    tf.dispose([x, acts, fixed])
    sae.dispose()
  })
})

describe('every kind of SAE, spliced into a model', () => {
  let model: HookedModel
  before(async () => {
    model = await pocket()
  })
  const tokens = [[0, 5, 6, 7, 8, 9]]
  const sized: Partial<SaeConfig> = { dIn: 128, dSae: 64, hookName: 'blocks.2.hook_resid_pre' }
  const between: Partial<SaeConfig> = { ...across, dIn: 128, dOut: 128, dSae: 64 }

  for (const [name, Kind, fields] of kinds) {
    it(`${name}: changes nothing with its error term, nor does the error undo an edit`, () => {
      const sae = made(Kind, { ...fields, ...(fields.hookNameOut ? between : sized) })
      const [plain, spliced] = [model.run(tokens), model.withSaes(sae, { errorTerm: true }).run(tokens)]
      expectClose(spliced, plain, tolerances.noise)
      const view = model.withSaes(sae, { errorTerm: true })
      const latents = `${sae.hookName}.hook_sae_acts_post`
      using clean = view.runWithCache(tokens)
      using cut = view.withHooks({ [latents]: (acts: tf.Tensor) => tf.zerosLike(acts) }).runWithCache(tokens)
      const output = `${sae.hookNameOut ?? sae.hookName}.hook_sae_output`
      const lost = tf.tidy(() => tf.matMul(clean.get<tf.Tensor3D>(latents).squeeze<tf.Tensor2D>([0]), sae.W_dec))
      const change = tf.tidy(() => clean.get(output).sub(cut.get(output)))
      expectClose(change, lost, tolerances.noise, 'what the latents wrote')
      expect(maxDifference(cut.logits, plain)).to.be.above(1e-3)
      tf.dispose([plain, spliced, lost, change])
      sae.dispose()
    })
  }
})
