/** Latents and errors of SAEs as senders of paths and edges, held to whole runs and to what the heads and MLPs before send. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { edgeAttribution, pathPatching } from '../../../analyses/index.js'
import { logitDiff } from '../../../lib/core/metrics.js'
import { head, latents } from '../../../lib/core/sites.js'
import type { HookedModel } from '../../../lib/model.js'
import { random } from '../../../lib/stats/random.js'
import { loadModel } from '../../../models/load-model.js'
import { expectClose, tolerances } from '../../support/close.js'
import { ioi, quiet } from '../../support/ioi.js'
import { pocket } from '../../support/pocket.js'
import { recordFolder } from '../../support/record-model.js'
import { refusalOf } from '../../support/refusal.js'
import { embeddedSae, randomSae } from '../../support/saes.js'

/** An SAE's point, and where in the residual stream its output is seen. */
const sites = [
  ['blocks.1.hook_resid_pre', 'blocks.1.hook_resid_pre.hook_sae_output'],
  ['blocks.0.attn.hook_z', 'blocks.0.hook_attn_out'],
  ['blocks.0.hook_attn_out', 'blocks.0.hook_attn_out.hook_sae_output'],
  ['blocks.0.mlp.hook_post', 'blocks.0.hook_mlp_out'],
  ['blocks.0.hook_mlp_out', 'blocks.0.hook_mlp_out.hook_sae_output'],
  ['blocks.0.hook_resid_post', 'blocks.0.hook_resid_post.hook_sae_output'],
] as const

describe('paths and edges from an SAE', () => {
  for (const family of ['gpt2', 'gpt_neox', 'gemma2']) {
    let small: HookedModel
    let rows: { prompts: number[][]; source: number[][] }
    const metric = logitDiff(3, 5)

    before(async () => {
      small = await loadModel(recordFolder(family))
      const own = random(4)
      const row = () => Array.from({ length: 6 }, () => own.integer(small.config.dVocab))
      rows = { prompts: [row(), row()], source: [row(), row()] }
    })
    after(() => small.dispose())

    /** What a receiver's patched input does, by hooks alone: the change of the metric, a number a prompt. */
    function byHand(
      view: HookedModel,
      [inside, seen]: readonly [string, string],
      latent: number | undefined,
      receiver: string,
    ) {
      // prettier-ignore
      const { prompts, source } = rows
      using there = view.runWithCache(source, { names: inside, logits: false })
      const swap = (x: tf.Tensor) => {
        if (latent === undefined) return there.get(inside).clone()
        return tf.where(tf.oneHot(tf.scalar(latent, 'int32'), x.shape[2]!).toBool(), there.get(inside), x)
      }
      const outputOf = (own: HookedModel) => {
        using cache = own.runWithCache(prompts, { names: seen, logits: false })
        return cache.get(seen).clone()
      }
      const change = tf.tidy(() => outputOf(view.withHooks({ [inside]: swap })).sub(outputOf(view)))
      const [, layer, head, input] = /^L(\d+)H(\d+)\.([qkv])$/.exec(receiver) ?? []
      const last = `blocks.${small.config.nLayers - 1}.hook_resid_post`
      const name = layer ? `blocks.${layer}.hook_${input}_input` : receiver === 'final' ? last : `blocks.${receiver.slice(3)}.hook_mlp_in` // prettier-ignore
      const add = (x: tf.Tensor) => {
        if (!layer) return x.add(change)
        const own = tf.oneHot(tf.scalar(Number(head), 'int32'), x.shape[2]!).toFloat()
        return x.add(change.expandDims(2).mul(own.reshape([1, 1, -1, 1])))
      }
      const bound = view.bindMetric(metric, view.toTokens(prompts))
      const value = (own: HookedModel) => Array.from(tf.tidy(() => bound(own.run(prompts)).dataSync()))
      const before = value(view)
      const after = value(view.withHooks({ [name]: add }))
      const size = tf.tidy(() => change.abs().max().dataSync()[0]!)
      change.dispose()
      return { size, values: after.map((x, b) => x - before[b]!) }
    }

    it(`patch single paths in ${family} as hooks do`, async () => {
      const { dModel, nHeads, dHead, dMlp } = small.config
      for (const [i, [site, seen]] of sites.entries()) {
        const dIn = site.endsWith('hook_z') ? nHeads * dHead : site.endsWith('hook_post') ? dMlp : dModel
        const flattenHeads = site.endsWith('hook_z')
        using sae = randomSae({ hookName: site, dIn, dSae: 24, flattenHeads, hasScalingFactor: i === 0 }, 20 + i)
        const view = small.withSaes(sae, { errorTerm: true })
        const latents = [3, 17]
        const senders = [...latents.map((latent) => `latent ${latent}`), 'error']
        const receivers = ['L1H0.q', 'L1H0.v', 'MLP1', 'final']
        const result = await pathPatching(view, rows.prompts, {
          metric,
          source: rows.source,
          senders,
          receivers,
          ...quiet,
        })
        let changed = 0
        for (const [s, sender] of senders.entries()) {
          const inside = `${site}.hook_sae_${s < 2 ? 'acts_post' : 'error'}`
          for (const [r, receiver] of receivers.entries()) {
            const { size, values } = byHand(view, [inside, seen], latents[s], receiver)
            changed += Number(size > 1e-2)
            expectClose([0, 1].map((b) => result.at(s, r, b)), values, tolerances.noise, `${site}: ${sender} → ${receiver}`) // prettier-ignore
          }
        }
        expect(changed, `${site}: senders that change anything`).to.be.at.least(2 * receivers.length)
      }
    })
  }

  it('sum to what all that was written before sends to the same receivers', async () => {
    const model = await pocket()
    const { clean, corrupt, metric } = await ioi(2)
    using sae = await embeddedSae('pocket-res/blocks.2.hook_resid_pre')
    const view = model.withSaes(sae, { errorTerm: true })
    const receivers = ['L2H1.q', 'L2H3.k', 'L3H0.v', 'MLP2', 'final']
    const latents = Array.from({ length: sae.config.dSae }, (_, latent) => `latent ${latent}`)
    const options = { metric, source: corrupt, receivers }
    const parts = await edgeAttribution(view, clean, { ...options, senders: [...latents, 'error'] })
    const heads = [0, 1].flatMap((l) => [0, 1, 2, 3, 4, 5, 6, 7].map((h) => `L${l}H${h}`))
    const before = await edgeAttribution(view, clean, { ...options, senders: ['embed', ...heads, 'MLP0', 'MLP1'] })
    const [found, expected] = [parts.sum('sender'), before.sum('sender')]
    expectClose(found.values, expected.values, { atol: 1e-3, rtol: 1e-4 }) // some hundred products of float32
    expect(Math.max(...expected.values.map(Math.abs))).to.be.above(0.5)
  })

  it('name the SAE where there are several, and refuse what is not there', async () => {
    const model = await pocket()
    const { clean, corrupt, metric } = await ioi(2)
    using first = await embeddedSae('pocket-z/blocks.0.hook_z')
    using second = await embeddedSae('pocket-res/blocks.2.hook_resid_pre')
    const view = model.withSaes([first, second])
    const set = { metric, source: corrupt, receivers: ['L2H1.v', 'L1H4.v'], ...quiet }
    const senders = ['latent 443 at blocks.0.attn.hook_z', 'L1H0', 'latent 183 at blocks.2.hook_resid_pre']
    const result = await pathPatching(view, clean, { ...set, senders })
    expect(result.axes[0]!.labels).to.deep.equal(senders)
    const bySite = await pathPatching(view, clean, {
      ...set,
      senders: [latents(first, 443), head(1, 0), latents(second, 183)],
    })
    expect(bySite.axes[0]!.labels).to.deep.equal(senders)
    expectClose(bySite.values, result.values, 0)
    expectClose([0, 1].map((b) => result.at(2, 1, b)), [0, 0], 0, 'from layer 2 to layer 1') // prettier-ignore
    expect(Math.abs(result.at(0, 1, 0))).to.be.above(1e-4)
    const attempt = (of: HookedModel, name: string) => refusalOf(() => pathPatching(of, clean, { ...set, senders: [name] })) // prettier-ignore
    expect(await attempt(view, 'latent 3')).to.match(/^HookError: pathPatching: no hook point is named\. The view has SAEs at/) // prettier-ignore
    expect(await attempt(model, 'error')).to.match(/^HookError: pathPatching: no hook point is named\. The view has no SAE/) // prettier-ignore
    const one = model.withSaes(second)
    expect(await attempt(one, 'error')).to.equal("ArgumentError: pathPatching: there is no 'error': the SAE at blocks.2.hook_resid_pre has no error term. Attach it with { errorTerm: true }.") // prettier-ignore
    const error = [{ hook: `${second.hookName}.hook_sae_error` }]
    expect(await refusalOf(() => pathPatching(one, clean, { ...set, senders: error }))).to.include(
      "there is no 'error': the SAE at",
    )
    expect(await attempt(one, 'latent 99999')).to.include('latent 99999: the SAE')
    expect(await attempt(one, 'latnt 3')).to.include("there is no 'latnt 3' among senders.")
    using normed = randomSae({ hookName: 'blocks.1.hook_resid_pre', dIn: 128, normalization: 'layer_norm' })
    expect(await attempt(model.withSaes(normed), 'latent 3')).to.include("puts the input's own norm back (layer_norm)")
    using inner = randomSae({ hookName: 'blocks.1.attn.hook_q', dIn: 128, flattenHeads: true })
    expect(await attempt(model.withSaes(inner), 'latent 3')).to.include('is no part of the residual stream. Use one at hook_resid_pre') // prettier-ignore
  })
})
