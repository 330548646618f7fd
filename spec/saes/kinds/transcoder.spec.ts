/** Transcoders in a model: they read at one hook point and write at another. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { HookError, MismatchError } from '../../../lib/errors/errors.js'
import type { HookedModel } from '../../../lib/model.js'
import { SkipTranscoder, Transcoder, type SaeConfig } from '../../../saes/index.js'
import { directLogitAttribution } from '../../../analyses/index.js'
import { expectClose, tolerances } from '../../support/close.js'
import { ioi, type Ioi } from '../../support/ioi.js'
import { pocket } from '../../support/pocket.js'
import { embeddedSae, randomTensor, smallConfig } from '../../support/saes.js'

const reads = 'blocks.1.ln2.hook_normalized'
const writes = 'blocks.1.hook_mlp_out'

function transcoder(fields: Partial<SaeConfig> = {}, Kind = Transcoder): Transcoder {
  const config = smallConfig({
    architecture: 'transcoder',
    dIn: 128,
    dOut: 128,
    dSae: 40,
    hookName: reads,
    hookNameOut: writes,
    applyBDecToInput: false,
    ...fields,
  })
  const sae = new Kind({ config, label: 'tc' })
  const weights = Object.fromEntries(
    Object.entries(sae.weightShapes()).map(([name, shape], i) => [name, randomTensor(shape, 3 + i)]),
  )
  sae.load(weights)
  tf.dispose(weights)
  return sae
}

describe('a transcoder in a model', () => {
  let model: HookedModel
  let prompts: Ioi
  let sae: Transcoder
  before(async () => {
    model = await pocket()
    prompts = await ioi(2)
    sae = transcoder()
    model.withSaes(sae).runWithGradients(prompts.clean, { metric: prompts.metric, names: reads }).dispose()
  })
  after(() => sae.dispose())

  it("puts what it makes of one point in another's place", () => {
    using plain = model.runWithCache(prompts.clean)
    using cache = model.withSaes(sae).runWithCache(prompts.clean)
    const output = sae.call(plain.get(reads))
    expectClose(cache.get(reads), plain.get(reads), 0, 'what it reads goes on')
    expectClose(cache.get(writes), plain.get(writes), 0, 'the plain point shows what the model computed')
    expectClose(cache.get(`${writes}.hook_sae_output`), output, tolerances.noise)
    const replaced = model.withHooks({ [writes]: () => output }).run(prompts.clean)
    expectClose(cache.logits, replaced, tolerances.noise)
    tf.dispose([output, replaced])
  })

  it('has its points under what it reads and what it writes, in the order they fire', () => {
    const view = model.withSaes(sae, { errorTerm: true })
    using cache = view.runWithCache(prompts.clean)
    const own = view.hookNames.filter((name) => name.includes('hook_sae'))
    expect(own).to.deep.equal([
      ...['input', 'acts_pre', 'acts_post', 'recons'].map((point) => `${reads}.hook_sae_${point}`),
      ...['error', 'output'].map((point) => `${writes}.hook_sae_${point}`),
    ])
    expect(cache.names.filter((name) => name.includes('hook_sae'))).to.deep.equal(own)
    expect(view.attached).to.have.length(1)
    expect(view.attached[0]).to.include({ readsAt: reads, writesAt: writes })
  })

  for (const errorGradient of ['detach', 'passThrough'] as const) {
    it(`sends gradients ${errorGradient === 'detach' ? 'through its latents' : "past itself, to the model's own MLP"}`, () => {
      const names = [reads, `${reads}.hook_sae_acts_post`, writes, `${writes}.hook_sae_output`]
      const view = model.withSaes(sae, { errorTerm: true, errorGradient })
      using run = view.runWithGradients(prompts.clean, { metric: prompts.metric, names })
      using bare = model.runWithGradients(prompts.clean, { metric: prompts.metric, names: [reads, writes] })
      const atOutput = run.gradients.get(`${writes}.hook_sae_output`)
      const zeros = tf.zerosLike(atOutput)
      expectClose(atOutput, bare.gradients.get(writes), tolerances.noise)
      expectClose(run.gradients.get(writes), errorGradient === 'detach' ? zeros : atOutput, 0)
      const acts = run.cache.get(`${reads}.hook_sae_acts_post`)
      const atLatents = tf.tidy(() =>
        tf.matMul(atOutput.reshape<tf.Tensor2D>([-1, 128]), sae.W_dec, false, true).reshape(acts.shape),
      )
      expectClose(run.gradients.get(`${reads}.hook_sae_acts_post`), atLatents, tolerances.noise)
      if (errorGradient === 'passThrough') {
        expectClose(run.gradients.get(reads), bare.gradients.get(reads), tolerances.noise, 'the MLP is differentiated')
      } else {
        const through = tf.tidy(() =>
          tf
            .matMul(atLatents.mul(acts.greater(0)).reshape<tf.Tensor2D>([-1, 40]), sae.W_enc, false, true)
            .reshape(atOutput.shape),
        )
        expectClose(run.gradients.get(reads), through, tolerances.noise)
        through.dispose()
      }
      tf.dispose([zeros, atLatents])
    })
  }

  it('leaves nothing behind when a run stops between its two ends, or a hook throws there', () => {
    const view = model.withSaes(sae)
    view.runWithCache(prompts.clean, { names: `${reads}.hook_sae_acts_post`, logits: false }).dispose()
    const fails = view.withHooks({
      'blocks.1.mlp.hook_pre': () => {
        throw new Error('stop here')
      },
    })
    expect(() => fails.run(prompts.clean)).to.throw('stop here')
    expect(() => fails.runWithGradients(prompts.clean, { metric: prompts.metric })).to.throw('stop here')
  })

  it('generates as one forward pass does', async () => {
    const view = model.withSaes(sae)
    const generated = await view.generate(prompts.clean[0]!, { maxNewTokens: 3, sample: false })
    let ids = [...generated.rows[0]!.slice(0, -3)]
    for (let i = 0; i < 3; i++) {
      const next = tf.tidy(
        () =>
          view
            .run([ids])
            .slice([0, ids.length - 1, 0], [1, 1, -1])
            .argMax(-1)
            .dataSync()[0]!,
      )
      ids = [...ids, next]
    }
    expect(generated.rows[0]).to.deep.equal(ids)
  })

  it('shares a hook point with SAEs before it, and its output with those behind', async () => {
    const first = await embeddedSae('pocket-res/blocks.2.hook_resid_pre')
    const behind = new Transcoder({ config: { ...sae.config, hookName: 'blocks.2.hook_resid_pre', hookNameOut: 'blocks.2.hook_mlp_out' } }) // prettier-ignore
    behind.load(Object.fromEntries(Object.keys(sae.weightShapes()).map((name) => [name, sae.weight(name)])))
    const view = model.withSaes([first, behind])
    expect(view.attached[1]!.readsAt).to.equal('blocks.2.hook_resid_pre.hook_sae_output')
    expect(view.hookNames).to.include('blocks.2.hook_resid_pre.hook_sae_output.hook_sae_acts_post')
    view.run(prompts.clean).dispose()
    expect(() => model.withSaes([behind, first])).to.throw(
      HookError,
      "withSaes: 'blocks.2.hook_resid_pre' is read by the transcoder 'blocks.2.hook_resid_pre' already. Attach 'pocket-res/blocks.2.hook_resid_pre' before it",
    )
    first.dispose()
    behind.dispose()
  })

  it('sends gradients at points between what it reads and what it writes, whatever else is asked for', () => {
    const far = transcoder({ hookNameOut: 'blocks.3.hook_mlp_out' })
    const view = model.withSaes(far)
    const late = ['blocks.2.hook_resid_mid', 'blocks.3.hook_mlp_out.hook_sae_output']
    using all = view.runWithGradients(prompts.clean, { metric: prompts.metric, names: ['hook_embed', reads, ...late] })
    using some = view.runWithGradients(prompts.clean, { metric: prompts.metric, names: late })
    for (const name of late) expectClose(some.gradients.get(name), all.gradients.get(name), tolerances.noise, name)
    far.dispose()
  })

  it('refuses a run that starts behind what it reads', () => {
    const far = transcoder({ hookNameOut: 'blocks.2.hook_mlp_out' })
    const resid = tf.zeros<tf.Rank.R3>([1, 3, 128])
    expect(() => model.withSaes(far).run([[0, 5, 6]], { from: { layer: 2, resid } })).to.throw(
      `run: the transcoder at 'blocks.2.hook_mlp_out' reads '${reads}', which this run skips. Start it at an earlier layer.`,
    )
    resid.dispose()
    far.dispose()
  })

  it('refuses a model it does not fit', () => {
    const cases: [Partial<SaeConfig>, string][] = [
      [
        { dOut: 64 },
        "withSaes: the SAE 'tc' writes 64 numbers, but blocks.1.hook_mlp_out of pocket-gpt2 gives [B,P,128].",
      ],
      [
        { hookNameOut: 'blocks.0.hook_mlp_out' },
        `withSaes: the transcoder 'tc' reads ${reads} and writes blocks.0.hook_mlp_out, which pocket-gpt2 computes first.`,
      ],
      [{ hookNameOut: 'blocks.1.hook_mlp_outt' }, "no hook point 'blocks.1.hook_mlp_outt'"],
    ]
    for (const [fields, message] of cases) {
      const wrong = transcoder(fields)
      expect(() => model.withSaes(wrong)).to.throw(message)
      wrong.dispose()
    }
  })

  it('takes part in direct logit attribution, whose parts sum to the whole', async () => {
    for (const errorTerm of [true, false]) {
      const result = await directLogitAttribution(model.withSaes(sae, { errorTerm }), prompts.clean, {
        answer: prompts.answer,
        wrong: prompts.wrong,
        latents: 40,
      })
      const difference = model.bindMetric(prompts.metric, model.toTokens(prompts.clean))
      const whole = tf.tidy(() => difference(model.withSaes(sae, { errorTerm }).run(prompts.clean)).dataSync())
      expectClose(result.sum('component').values, whole, tolerances.noise)
    }
    const skip = transcoder({ architecture: 'skip_transcoder' }, SkipTranscoder)
    expect(() => skip.writes()).to.throw(MismatchError, 'has a skip connection, which writes besides its latents')
    skip.dispose()
  })
})
