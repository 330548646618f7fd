/** Direct logit attribution: its recorded numbers, and that its parts are the whole. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { directLogitAttribution, type DlaOptions } from '../../../analyses/index.js'
import type { HookedModel } from '../../../lib/model.js'
import type { Prompts } from '../../../lib/tokens/tokens.js'
import type { Result } from '../../../lib/report/result/result.js'
import { loadModel } from '../../../models/load-model.js'
import { embeddedSaes, type Sae } from '../../../saes/index.js'
import { loadSae } from '../../../saes/load-sae.js'
import { expectClose, tolerances } from '../../support/close.js'
import { ioi, type Ioi } from '../../support/ioi.js'
import { pocket } from '../../support/pocket.js'
import { refusalOf } from '../../support/refusal.js'
import { expectTraceable } from '../../support/results.js'
import { randomSae, rowsOf } from '../../support/saes.js'

describe('directLogitAttribution', () => {
  let model: HookedModel
  let prompts: Ioi
  const saes = new Map<string, Sae>()
  const at = (hook: string) => saes.get(hook)!

  before(async () => {
    model = await pocket()
    prompts = await ioi()
    for (const [release, id] of embeddedSaes()) {
      const sae = await loadSae(release, id)
      saes.set(sae.hookName, sae)
    }
  })
  after(() => saes.forEach((sae) => sae.dispose()))

  /** The parts' sum is the logit difference as the model computes it: returns the result for more checks. */
  async function expectWhole(view: HookedModel, options: Partial<DlaOptions> = {}, input: Prompts = prompts.clean) {
    const { answer, wrong } = prompts
    const result = await directLogitAttribution(view, input, { answer, wrong, ...options })
    expectClose(result.sum('component').values, result.extra['total'] as number[], tolerances.noise, view.toString())
    return result
  }

  /** logit[answer] − logit[wrong] of each prompt, straight from a run. */
  function logitDifference(view: HookedModel, position = -1): number[] {
    return tf.tidy(() => {
      const logits = view.run(prompts.clean)
      const p = position < 0 ? logits.shape[1] + position : position
      const rows = rowsOf(logits.slice([0, p], [-1, 1]))
      const id = (name: string) => model.toSingleToken(name)
      return rows.map((row, b) => row[id(prompts.answer[b]!)]! - row[id(prompts.wrong[b]!)]!)
    })
  }

  it('has the recorded components', async () => {
    const result = await expectWhole(model)
    const { record, dlaLabels, clean } = prompts
    const [component, prompt] = result.axes
    expect(component!.labels).to.deep.equal([...dlaLabels, 'b_U'])
    expect(component!.name).to.equal('component')
    expect(prompt).to.deep.equal({ name: 'prompt', labels: clean.map((text, b) => `${b}: ${text}`) })
    const recorded = record.values('dla')
    expectClose(result.values.subarray(0, recorded.length), recorded, tolerances.pocket, 'components')
    expectClose(result.extra['total'] as number[], record.values('logit_diff'), tolerances.pocket, 'logit difference')
    expect([result.kind, result.unit]).to.deep.equal(['direct logit attribution', 'logits'])
  })

  it('sums to the logit difference with any SAE, with and without its error', async () => {
    for (const [hook, sae] of saes) {
      for (const errorTerm of [true, false]) {
        const view = model.withSaes(sae, { errorTerm })
        const result = await expectWhole(view)
        expectClose(result.extra['total'] as number[], logitDifference(view), tolerances.noise, hook)
        const labels = result.axes[0]!.labels.filter((label) => label.startsWith(hook))
        const shown = labels.filter((label) => label.startsWith(`${hook} latent `)).length
        expect(shown).to.be.within(10, 20)
        expect(labels.slice(shown)).to.deep.equal([
          `${hook} other latents`,
          `${hook} b_dec`,
          ...(errorTerm ? [`${hook} error`] : []),
        ])
      }
    }
  })

  it('sums to the logit difference with several SAEs at once', async () => {
    const hooks = ['blocks.1.hook_resid_pre', 'blocks.1.attn.hook_z', 'blocks.2.attn.hook_z', 'blocks.3.mlp.hook_post']
    for (const errorTerm of [true, false]) {
      const result = await expectWhole(model.withSaes(hooks.map(at), { errorTerm }))
      const shown = result.axes[0]!.labels
      for (const hook of hooks) expect(shown).to.include(`${hook} b_dec`)
      expect(shown).to.not.include.members(['embed'])
      expect(shown).to.not.include.members(['L0H0'])
      expect(shown).to.not.include.members(['L1H0'])
      expect(shown).to.include.members(['L3H0', '1_mlp_out', '2_mlp_out', 'bias'])
      expect(shown).to.not.include.members(['3_mlp_out'])
    }
    await expectWhole(model.withSaes([...saes.values()]))
    const [early, late] = [at('blocks.0.hook_resid_pre'), at('blocks.2.hook_resid_pre')]
    const both = await expectWhole(model.withSaes([late, early]))
    expect(both.axes[0]!.labels.some((label) => label.startsWith(early.hookName))).to.equal(false)
  })

  it('gives a latent what its activation writes along the logit direction', async () => {
    const view = model.withSaes(at('blocks.3.attn.hook_z'), { errorTerm: true })
    const result = await expectWhole(view, { latents: 3 })
    expect(result.axes[0]!.labels.filter((label) => / latent \d+$/.test(label))).to.have.length(3)
    const label = result.axes[0]!.labels.find((text) => / latent \d+$/.test(text))!
    const latent = Number(label.split(' ').at(-1))
    const hook = 'blocks.3.attn.hook_z.hook_sae_acts_post'
    using cache = view.runWithCache(prompts.clean, { names: [hook, 'ln_final.hook_scale'], positions: -1 })
    const expected = tf.tidy(() => {
      const W_O = model.copyWeight('blocks.3.attn.W_O').reshape<tf.Tensor2D>([128, 128])
      const written = rowsOf(at('blocks.3.attn.hook_z').W_dec.matMul(W_O))[latent]!
      const mean = written.reduce((sum, v) => sum + v, 0) / written.length
      const columns = rowsOf(model.copyWeight<tf.Tensor2D>('unembed.W_U').transpose())
      const [acts, scales] = [rowsOf(cache.get(hook)), rowsOf(cache.get('ln_final.hook_scale'))]
      return prompts.answer.map((name, b) => {
        const [right, wrong] = [model.toSingleToken(name), model.toSingleToken(prompts.wrong[b]!)]
        const along = written.reduce((sum, v, d) => sum + (v - mean) * (columns[right]![d]! - columns[wrong]![d]!), 0)
        return (acts[b]![latent]! * along) / scales[b]![0]!
      })
    })
    expectClose(result.select('component', label).values, expected, tolerances.noise)
  })

  it('names as many latents as asked for, those that matter most, and sums the others', async () => {
    const view = model.withSaes(at('blocks.2.hook_resid_pre'), { errorTerm: true })
    const [some, none, all] = [
      await expectWhole(view, { latents: 5 }),
      await expectWhole(view, { latents: 0 }),
      await expectWhole(view, { latents: 768 }),
    ]
    const latents = (result: Result) => result.axes[0]!.labels.filter((label) => / latent \d+$/.test(label))
    expect([latents(some).length, latents(none).length]).to.deep.equal([5, 0])
    expect(latents(all).length).to.be.within(20, 767) // those that are silent get no row
    expect(latents(all).slice(0, 5)).to.deep.equal(latents(some))
    const weight = (label: string) => all.select('component', label).values.reduce((sum, v) => sum + Math.abs(v), 0)
    const weights = latents(all).map(weight)
    expect(weights).to.deep.equal([...weights].sort((a, b) => b - a))
    const others = (result: Result) => result.select('component', 'blocks.2.hook_resid_pre other latents').values
    expectClose(others(all), new Float32Array(8), 0)
    const summed = others(none).map((_, b) => latents(all).reduce((sum, label) => sum + all.at(label, b), 0))
    expectClose(others(none), summed, tolerances.noise)
  })

  it('takes a single answer apart, at any position, for one token or one each', async () => {
    const { answer, clean } = prompts
    const alone = await expectWhole(model, { wrong: undefined })
    const id = model.toSingleToken(answer[0]!)
    const logit = tf.tidy(() => rowsOf(model.run(clean).slice([0, 21], [-1, 1])).map((row) => row[id]!))
    const first = await expectWhole(model, { answer: answer[0]!, wrong: undefined })
    expectClose(first.extra['total'] as number[], logit, tolerances.noise, 'one token for all')
    const byId = await expectWhole(model, { answer: id, wrong: undefined })
    expectClose(byId.values, first.values, 0, 'by id')
    expect(alone.at('L3H0', 0)).to.equal(first.at('L3H0', 0))
    for (const position of [0, 5, -3]) {
      const view = model.withSaes(at('blocks.2.hook_resid_pre'))
      const early = await expectWhole(view, { position })
      expectClose(early.extra['total'] as number[], logitDifference(view, position), tolerances.noise, `at ${position}`)
    }
  })

  it('is that of each prompt alone when prompts are padded, left or right', async () => {
    const texts = ['Carl and Eva went to the hill', prompts.clean[1]!, 'Rose gave a hat to']
    const options = { answer: ' Carl', wrong: ' Eva' }
    const view = model.withSaes(at('blocks.3.mlp.hook_post'), { errorTerm: true })
    for (const paddingSide of ['left', 'right'] as const) {
      const padded = await expectWhole(view, { ...options, paddingSide, latents: 1024 }, texts)
      for (const [b, text] of texts.entries()) {
        const single = await expectWhole(view, { ...options, latents: 1024 }, text)
        const rows = single.axes[0]!.labels.filter((label) => !label.endsWith('other latents'))
        const [a, e] = [rows.map((label) => padded.at(label, b)), rows.map((label) => single.at(label, 0))]
        expectClose(a, e, tolerances.noise, `${paddingSide} ${b}`)
      }
    }
  })

  it('splits what an SAE of a whole output or of the embedding reconstructs', async () => {
    for (const hookName of ['blocks.2.hook_attn_out', 'blocks.1.hook_mlp_out', 'hook_embed', 'hook_pos_embed']) {
      using sae = randomSae({ hookName, dIn: 128, dSae: 40, hasScalingFactor: true }, 5)
      for (const errorTerm of [true, false]) {
        const result = await expectWhole(model.withSaes(sae, { errorTerm }))
        expect(result.axes[0]!.labels).to.include(`${hookName} b_dec`)
      }
    }
  })

  it('has a row for what hooks write to the stream themselves, and none without hooks', async () => {
    const added = model.withHooks({ 'blocks.3.hook_resid_post': (x: tf.Tensor) => x.add(tf.range(0, x.shape[2]!)) })
    const result = await directLogitAttribution(added, prompts.clean, { answer: prompts.answer, wrong: prompts.wrong })
    // the stream after the hook is what was there, whose parts are rows, and what the hook added
    const expected = tf.tidy(() => {
      using cache = added.runWithCache(prompts.clean, { names: ['ln_final.hook_scale'] })
      const W_U = model.copyWeight('unembed.W_U')
      const column = (names: readonly string[]) =>
        tf.gather(
          W_U,
          names.map((name) => model.toSingleToken(name)),
          1,
        )
      const direction = column(prompts.answer).sub(column(prompts.wrong)) // [D,B], centred by the processing
      const last = cache
        .get('ln_final.hook_scale')
        .slice([0, cache.tokens.positions - 1], [-1, 1])
        .flatten()
      const ramp = tf.range(0, model.config.dModel)
      return ramp.sub(ramp.mean()).reshape([1, -1]).matMul(direction).flatten().div(last).dataSync()
    })
    expectClose(result.select('component', 'hooks').values, expected, tolerances.noise)
    const plain = await directLogitAttribution(model, prompts.clean, { answer: prompts.answer })
    expect(plain.axes[0]!.labels).to.not.include('hooks')
  })

  it('comes back from JSON, and says where it is from', async () => {
    const result = await expectWhole(model.withSaes(at('blocks.3.hook_resid_post'), { errorTerm: true }))
    await expectTraceable(result, { saes: ['pocket-res/blocks.3.hook_resid_post'] })
  })

  it('refuses what it cannot take apart, before any run', async () => {
    let runs = 0
    const counted = model.withHooks({ hook_embed: () => void runs++ })
    const attempt = (options: Partial<DlaOptions>, input: Prompts = prompts.clean) =>
      refusalOf(() => directLogitAttribution(counted, input, { answer: prompts.answer, ...options }))
    expect(await attempt({ answer: [' Carl'] })).to.equal(
      'ArgumentError: directLogitAttribution: there are 1 answers for 8 prompts. Give one for all or one for each.',
    )
    expect(await attempt({ wrong: prompts.wrong.slice(1) })).to.include('there are 7 answers for 8 prompts')
    expect(await attempt({ answer: ' Carl and' })).to.match(/^TokenError: toSingleToken: " Carl and" is 2 tokens/)
    expect(await attempt({ answer: 5000 })).to.include(
      'the token id is 5000. The ids of pocket-gpt2 are whole numbers from 0 to 1292.',
    )
    expect(await attempt({ position: 22 })).to.equal(
      'ArgumentError: directLogitAttribution: there is no position 22 in prompts of 22 tokens. Give a whole number from -22 to 21.',
    )
    for (const latents of [-1, 1.5, NaN])
      expect(await attempt({ latents })).to.equal(
        `ArgumentError: directLogitAttribution: latents is ${latents}. It must be a whole number, at least 0.`,
      )
    expect(await attempt({}, [])).to.match(/^TokenError: .*the list of prompts is empty/)
    using normed = randomSae({ normalization: 'layer_norm', dIn: 128, hookName: 'blocks.1.hook_resid_pre' })
    const options = { answer: prompts.answer }
    expect(await refusalOf(() => directLogitAttribution(model.withSaes(normed), prompts.clean, options))).to.include(
      "MismatchError: writes: the SAE 'blocks.1.hook_resid_pre' puts the input's own norm back (layer_norm)",
    )
    using unfolded = await loadModel('pocket', { process: { foldLn: false } })
    expect(await refusalOf(() => directLogitAttribution(unfolded, prompts.clean, options))).to.equal(
      "MismatchError: directLogitAttribution: pocket-gpt2 was loaded with foldLn: false, so the final norm's weights would be left out. Load it with foldLn.",
    )
    expect(runs).to.equal(0)
  })
})
