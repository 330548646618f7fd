/** How gradients pass an SAE: through its encoder, its decoder and its error term. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { ArgumentError } from '../../lib/errors/errors.js'
import { silent } from '../../lib/core/hooks.js'
import type { HookedModel } from '../../lib/model.js'
import type { ErrorGradient, SpliceOptions } from '../../lib/core/splice.js'
import type { Sae } from '../../saes/index.js'
import { expectClose, maxDifference, tolerances } from '../support/close.js'
import { ioi, type Ioi } from '../support/ioi.js'
import { pocket } from '../support/pocket.js'
import { embeddedSae, plainPass, randomSae, rowsOf, times, transposed, warmUp } from '../support/saes.js'

const labels = ['pocket-res/blocks.2.hook_resid_pre', 'pocket-z/blocks.1.hook_z', 'pocket-mlp/blocks.3.mlp.hook_post']
type Point = 'input' | 'acts_pre' | 'acts_post' | 'recons' | 'error' | 'output'

/** Gradients at the site and inside the SAE, and its pre-activations, as rows of numbers. */
interface Flow {
  readonly site: number[][]
  readonly at: Record<Point, number[][]>
  readonly pre: number[][]
}

describe('gradients through an SAE', () => {
  let model: HookedModel
  let prompts: Ioi
  const saes: Sae[] = []

  before(async () => {
    model = await pocket()
    prompts = await ioi(2)
    for (const label of labels) saes.push(await embeddedSae(label))
    warmUp(model, ...saes)
  })
  after(() => saes.forEach((sae) => sae.dispose()))

  function flow(sae: Sae, options: SpliceOptions): Flow {
    const view = model.withSaes(sae, options)
    const names = view.hookNames.filter((name) => name.startsWith(sae.hookName))
    using run = view.runWithGradients(prompts.clean, { metric: prompts.metric, names })
    const inside = names.filter((name) => name !== sae.hookName)
    const flat = (name: string) => {
      const gradient = run.gradients.get(name)
      const width = name.includes('acts') ? sae.config.dSae : sae.config.dIn
      return tf.tidy(() => rowsOf(gradient.reshape([-1, width])))
    }
    return {
      site: flat(sae.hookName),
      at: Object.fromEntries(inside.map((name) => [name.split('hook_sae_')[1], flat(name)])) as Flow['at'],
      pre: rowsOf(run.cache.get(`${sae.hookName}.hook_sae_acts_pre`)),
    }
  }

  /** Rows within a few float32 units of the largest number: sums of up to 1024 terms of that size. */
  function expectRows(actual: number[][], expected: number[][], what: string): void {
    const scale = expected.flat().reduce((most, value) => Math.max(most, Math.abs(value)), 0)
    expect(scale, `${what}: something flows`).to.be.above(1e-3)
    expectClose(actual.flat(), expected.flat(), 1e-5 * scale, what)
  }

  const backwards = (gradient: number[][], matrix: number[][]) => gradient.map((row) => times(row, transposed(matrix)))
  const gated = (gradient: number[][], pre: number[][]) =>
    gradient.map((row, i) => row.map((value, s) => (pre[i]![s]! > 0 ? value : 0)))

  for (const errorGradient of ['detach', 'passThrough'] as const satisfies readonly ErrorGradient[]) {
    it(`reach latents, encoder and error as the chain rule says (${errorGradient})`, () => {
      for (const sae of saes) {
        const { at, pre } = flow(sae, { errorTerm: true, errorGradient })
        expectRows(at.error, at.output, `${sae.label} error`)
        expectRows(at.recons, at.output, `${sae.label} reconstruction`)
        expectRows(at.acts_post, backwards(at.output, rowsOf(sae.W_dec)), `${sae.label} latents`)
        expectRows(at.acts_pre, gated(at.acts_post, pre), `${sae.label} pre-activations`)
        expectRows(at.input, backwards(at.acts_pre, rowsOf(sae.W_enc)), `${sae.label} input`)
      }
    })
  }

  it('reach x through the encoder only, when the error is detached', () => {
    for (const sae of saes) {
      const { site, at, pre } = flow(sae, { errorTerm: true, errorGradient: 'detach' })
      const explicit = backwards(gated(backwards(at.output, rowsOf(sae.W_dec)), pre), rowsOf(sae.W_enc))
      expectRows(site, explicit, sae.label)
      expect(maxDifference(site.flat(), at.output.flat()), 'not the gradient of the output').to.be.above(1e-2)
      expectRows(flow(sae, { errorTerm: true }).site, site, `${sae.label} by default`)
    }
  })

  it('reach x as they arrive at the output, when they pass through', () => {
    for (const sae of saes) {
      const { site, at } = flow(sae, { errorTerm: true, errorGradient: 'passThrough' })
      expectClose(site.flat(), at.output.flat(), 0, sae.label)
    }
  })

  it('reach x through the encoder without an error term', () => {
    for (const sae of saes) {
      const { site, at, pre } = flow(sae, {})
      expect(at).to.not.have.property('error')
      const explicit = backwards(gated(backwards(at.output, rowsOf(sae.W_dec)), pre), rowsOf(sae.W_enc))
      expectRows(site, explicit, sae.label)
    }
  })

  it('are the same downstream of the SAE in both modes, and those of the plain model when they pass through', () => {
    const names = ['blocks.3.hook_resid_pre', 'blocks.1.hook_resid_pre', 'hook_embed']
    const [res] = saes
    const { clean, metric } = prompts
    using plain = model.runWithGradients(clean, { metric, names })
    using passed = model
      .withSaes(res!, { errorTerm: true, errorGradient: 'passThrough' })
      .runWithGradients(clean, { metric, names })
    using detached = model.withSaes(res!, { errorTerm: true }).runWithGradients(clean, { metric, names })
    for (const name of names)
      expectClose(passed.gradients.get(name), plain.gradients.get(name), tolerances.noise, `${name} passed through`)
    expectClose(detached.gradients.get(names[0]!), plain.gradients.get(names[0]!), tolerances.noise, 'downstream')
    expect(maxDifference(detached.gradients.get('hook_embed'), plain.gradients.get('hook_embed'))).to.be.above(1e-2)
  })

  it('follow a hook inside the SAE, and not its clean reconstruction', () => {
    const [res] = saes
    const view = model
      .withSaes(res!, { errorTerm: true })
      .withHooks({ [`${res!.hookName}.hook_sae_acts_post`]: (acts: tf.Tensor) => tf.zerosLike(acts) })
    const names = [res!.hookName, `${res!.hookName}.hook_sae_output`]
    using run = view.runWithGradients(prompts.clean, { metric: prompts.metric, names })
    expectClose(run.gradients.get(names[0]!), new Float32Array(run.cache.get(names[0]!).size), 0, 'nothing is left')
    expect(maxDifference(run.gradients.get(names[1]!), new Float32Array(run.cache.get(names[1]!).size))).to.be.above(
      0.1,
    )
  })

  it('agree with finite differences, float64, also under a normalization', () => {
    for (const normalization of ['none', 'constant_norm_rescale', 'layer_norm'] as const) {
      using sae = randomSae({ normalization }, 5)
      const x = [0.4, -0.7, 1.1, 0.2, -0.3, 0.9, -1.2, 0.6]
      const weights = [0.3, -0.2, 0.5, 0.7, -0.6, 0.1, 0.4, -0.9]
      const { apply } = sae.splice()
      const tensor = tf.tensor2d(x, [1, 8])
      const gradient = tf.tidy(() => tf.grad((input: tf.Tensor) => apply(input, silent).mul(weights).sum())(tensor))
      const called = tf.tidy(() => tf.grad((input: tf.Tensor) => sae.call(input).mul(weights).sum())(tensor))
      const objective = (input: number[]) => dot(normalizedPass(sae, input), weights)
      const step = 1e-5
      const expected = x.map((_, i) => {
        const moved = (by: number) => objective(x.map((value, j) => (j === i ? value + by : value)))
        return (moved(step) - moved(-step)) / (2 * step)
      })
      expectClose(gradient, expected, tolerances.layer, normalization)
      expectClose(called, expected, tolerances.layer, `${normalization}, as a layer`)
      tf.dispose([tensor, gradient, called])
    }
  })

  it('are not left to a misspelt option', () => {
    const [res] = saes
    const wrong = { errorTerm: true, errorGradient: 'pass' as ErrorGradient }
    expect(() => model.withSaes(res!, wrong)).to.throw(
      ArgumentError,
      "withSaes: errorGradient is 'pass'. It must be 'detach' or 'passThrough'.",
    )
    expect(() => model.withSaes(res!, { errorGradient: 'passThrough' })).to.throw(
      ArgumentError,
      "withSaes: errorGradient 'passThrough' is about the error term. Set errorTerm: true as well.",
    )
  })
})

const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, value, i) => sum + value * b[i]!, 0)

/** An SAE with its normalization, in float64. */
function normalizedPass(sae: Sae, x: readonly number[]): number[] {
  if (sae.config.normalization === 'constant_norm_rescale') {
    const factor = Math.sqrt(x.length) / Math.sqrt(dot(x, x))
    return plainPass(
      sae,
      x.map((value) => value * factor),
    ).recons.map((value) => value / factor)
  }
  if (sae.config.normalization === 'layer_norm') {
    const mean = x.reduce((sum, value) => sum + value, 0) / x.length
    const centred = x.map((value) => value - mean)
    const std = Math.sqrt(dot(centred, centred) / (x.length - 1))
    return plainPass(
      sae,
      centred.map((value) => value / (std + 1e-5)),
    ).recons.map((value) => value * std + mean)
  }
  return plainPass(sae, x).recons
}
