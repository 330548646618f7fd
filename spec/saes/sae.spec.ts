/** SAEs spliced into the pocket model: what they may change and what they may not. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import type { HookedModel } from '../../lib/model.js'
import { embeddedSaes, type Sae } from '../../saes/index.js'
import { loadSae } from '../../saes/load-sae.js'
import { expectClose, maxDifference, tolerances } from '../support/close.js'
import { ioi, type Ioi } from '../support/ioi.js'
import { pocket } from '../support/pocket.js'
import { resolveTarget } from '../../analyses/patching/targets.js'
import { embeddedSae, randomSae, rowsOf } from '../support/saes.js'

const sites = ['pocket-res/blocks.2.hook_resid_pre', 'pocket-z/blocks.2.hook_z', 'pocket-mlp/blocks.1.mlp.hook_post']

/** The number of a prompt's row that is largest. */
function indexOfLargest(values: ArrayLike<number>): number {
  return Array.from(values).reduce((best, value, i) => (value > values[best]! ? i : best), 0)
}

describe('Sae, spliced into a model', () => {
  let model: HookedModel
  let prompts: Ioi
  let plain: tf.Tensor3D
  const all: Sae[] = []
  const at = (name: string) => all.find((sae) => sae.label === name)!

  before(async () => {
    model = await pocket()
    prompts = await ioi(3)
    for (const [release, id] of embeddedSaes()) all.push(await loadSae(release, id))
    plain = model.run(prompts.clean)
  })
  after(() => {
    plain.dispose()
    for (const sae of all) sae.dispose()
  })

  /** Logits of a view on the prompts, checked and freed. */
  function withLogits(view: HookedModel, check: (logits: tf.Tensor3D) => void): void {
    const logits = view.run(prompts.clean)
    check(logits)
    logits.dispose()
  }

  it('changes nothing with its error term, and something without it, wherever it sits', () => {
    expect(all).to.have.length(12)
    for (const sae of all) {
      withLogits(model.withSaes(sae, { errorTerm: true }), (logits) =>
        expectClose(logits, plain, tolerances.noise, sae.label),
      )
      withLogits(model.withSaes(sae), (logits) => expect(maxDifference(logits, plain), sae.label).to.be.above(0.1))
    }
  })

  it('changes nothing with its error term together with all the others', () => {
    const view = model.withSaes(all, { errorTerm: true })
    expect(view.saes.map((sae) => sae.label)).to.deep.equal(all.map((sae) => sae.label))
    withLogits(view, (logits) => expectClose(logits, plain, tolerances.noise))
    withLogits(model, (logits) => expect(maxDifference(logits, plain)).to.equal(0))
  })

  it('gives what a hook with decode(encode(x)) gives, alone and with others', () => {
    for (const saes of [...sites.map((name) => [at(name)]), sites.map(at)]) {
      const hooks = saes.map(
        (sae) => [sae.hookName, (x: tf.Tensor) => tf.tidy(() => sae.decode(sae.encode(x), x))] as const,
      )
      withLogits(model.withHooks(hooks), (hooked) =>
        withLogits(model.withSaes(saes), (spliced) => expectClose(spliced, hooked, tolerances.noise, saes.join())),
      )
    }
  })

  it('leaves the plain hook point visible: it is what the SAE reads, with heads flattened', () => {
    for (const name of sites) {
      const { hookName, config } = at(name)
      using clean = model.runWithCache(prompts.clean, { names: hookName })
      using cache = model.withSaes(at(name)).runWithCache(prompts.clean)
      expectClose(cache.get(hookName), clean.get(hookName), 0, hookName)
      const input = cache.get(`${hookName}.hook_sae_input`)
      const [batch, positions] = cache.get(hookName).shape
      expect(input.shape).to.deep.equal([batch, positions, config.dIn])
      expectClose(input, clean.get(hookName), 0, `${hookName} as input`)
    }
  })

  it('shows its own points under the site, in the order of SAELens', () => {
    const z = at(sites[1]!)
    const inside = (view: HookedModel) =>
      view.hookNames.filter((name) => name.startsWith(`${z.hookName}.`)).map((name) => name.split('.').at(-1))
    const points = ['hook_sae_input', 'hook_sae_acts_pre', 'hook_sae_acts_post', 'hook_sae_recons']
    expect(inside(model.withSaes(z))).to.deep.equal([...points, 'hook_sae_output'])
    expect(inside(model.withSaes(z, { errorTerm: true }))).to.deep.equal([
      ...points,
      'hook_sae_error',
      'hook_sae_output',
    ])
    expect(inside(model)).to.deep.equal([])

    const view = model.withSaes(z, { errorTerm: true })
    using cache = view.runWithCache(prompts.clean)
    expect(cache.names).to.deep.equal(
      view.hookPoints.filter((point) => !point.onRequest).map((point) => point.name),
      'names in firing order',
    )
    const order = cache.names.indexOf(z.hookName)
    expect(cache.names[order + 1]).to.equal(`${z.hookName}.hook_sae_input`)
  })

  it('encodes and decodes outside a model as its points show', () => {
    for (const name of sites) {
      const sae = at(name)
      using cache = model.withSaes(sae, { errorTerm: true }).runWithCache(prompts.clean)
      const point = (last: string) => cache.get(`${sae.hookName}.${last}`)
      tf.tidy(() => {
        const x = cache.get(sae.hookName)
        expectClose(sae.encode(x), point('hook_sae_acts_post'), 0, `${name} acts`)
        const decoded = sae.decode(point('hook_sae_acts_post'), x)
        expect(decoded.shape).to.deep.equal(x.shape)
        expectClose(decoded, point('hook_sae_recons'), 0, `${name} reconstruction`)
        expectClose(tf.relu(point('hook_sae_acts_pre')), point('hook_sae_acts_post'), 0, `${name} acts`)
        expect(point('hook_sae_error').shape).to.deep.equal(x.shape)
        expectClose(point('hook_sae_error').add(decoded), x, tolerances.layer, `${name} error + reconstruction`)
        expectClose(point('hook_sae_output'), x, tolerances.layer, `${name} output`)
      })
    }
  })

  it('writes −activation · W_dec when a latent is ablated, which its error term does not undo', () => {
    for (const name of sites) {
      const sae = at(name)
      const view = model.withSaes(sae, { errorTerm: true })
      using clean = view.runWithCache(prompts.clean, { names: /hook_sae_(acts_post|output)$/ })
      const acts = rowsOf(clean.get(`${sae.hookName}.hook_sae_acts_post`)) // [B·P][S]
      const latent = indexOfLargest(acts.at(-1)!)
      expect(acts.at(-1)![latent], 'an activation to ablate').to.be.above(0.5)
      const ablate = (x: tf.Tensor) => x.mul(tf.sub(1, tf.oneHot(tf.scalar(latent, 'int32'), sae.config.dSae)))
      using ablated = view
        .withHooks({ [`${sae.hookName}.hook_sae_acts_post`]: (x: tf.Tensor) => tf.tidy(() => ablate(x)) })
        .runWithCache(prompts.clean, { names: /hook_sae_output$|hook_sae_error$/ })
      const written = rowsOf(sae.W_dec)[latent]!
      const change = tf.tidy(() => {
        const output = `${sae.hookName}.hook_sae_output`
        return Array.from(ablated.get(output).sub(clean.get(output)).dataSync())
      })
      const expected = acts.flatMap((row) => written.map((w) => -row[latent]! * w))
      expectClose(change, expected, tolerances.layer, name)
    }
  })

  it('says what one unit of some latents writes, with their scaling factors', () => {
    using sae = randomSae({ hasScalingFactor: true })
    tf.tidy(() => {
      const ones = tf.oneHot(tf.tensor1d([7, 2], 'int32'), sae.config.dSae)
      const { directions, bias } = sae.writes({ latents: [7, 2] })
      expectClose(
        directions,
        sae.decode(ones.toFloat()).sub(sae.decode(tf.zerosLike(ones).toFloat())),
        tolerances.noise,
      )
      expectClose(bias, sae.b_dec, 0)
      expectClose(tf.gather(sae.writes().directions, tf.tensor1d([7, 2], 'int32')), directions, 0)
    })
    expect(() => sae.writes({ latents: [12] })).to.throw('has latents 0 to 11.')
  })

  it('takes replacements at each of its points', () => {
    for (const name of sites) {
      const sae = at(name)
      const hook = sae.hookName
      const outputWith = (point: string, replace: (x: tf.Tensor) => tf.Tensor): tf.Tensor => {
        const names = [`${hook}.hook_sae_output`, hook]
        const view = model.withSaes(sae, { errorTerm: true }).withHooks({ [point]: replace })
        using cache = view.runWithCache(prompts.clean, { names, logits: false })
        return cache.get(names[0]!).clone()
      }
      tf.tidy(() => {
        using cache = model.withSaes(sae, { errorTerm: true }).runWithCache(prompts.clean, { names: /hook_sae_|hook_/ })
        const [x, error] = [cache.get(hook), cache.get(`${hook}.hook_sae_error`)]
        const bias = sae.decode(tf.zeros([...x.shape.slice(0, 2), sae.config.dSae]), x)
        const silenced = outputWith(`${hook}.hook_sae_acts_pre`, (pre) => tf.fill(pre.shape, -1))
        expectClose(silenced, error.add(bias), tolerances.layer, `${name} acts_pre`)
        const doubled = outputWith(`${hook}.hook_sae_acts_post`, (acts) => acts.mul(2))
        const twice = sae.decode(sae.encode(x).mul(2), x)
        expectClose(doubled, error.add(twice), tolerances.layer, `${name} acts_post`)
        expectClose(outputWith(`${hook}.hook_sae_recons`, tf.zerosLike), error, tolerances.layer, `${name} recons`)
        const recons = sae.decode(sae.encode(x), x)
        expectClose(outputWith(`${hook}.hook_sae_error`, tf.zerosLike), recons, tolerances.layer, `${name} error`)
        const ofNothing = sae.decode(sae.encode(tf.zerosLike(x)), x)
        const emptied = outputWith(`${hook}.hook_sae_input`, tf.zerosLike)
        expectClose(emptied, error.add(ofNothing), tolerances.layer, `${name} input: the error is the clean one`)
        expectClose(outputWith(`${hook}.hook_sae_output`, tf.zerosLike), tf.zerosLike(x), 0, `${name} output`)
        expectClose(
          outputWith(hook, (site) => site.mul(2)),
          x.mul(2),
          tolerances.layer,
          `${name} before the SAE`,
        )
      })
    }
  })

  it('passes its replaced output on to the model', () => {
    const sae = at(sites[0]!)
    const zero = (x: tf.Tensor) => tf.zerosLike(x)
    const view = model.withSaes(sae).withHooks({ [`${sae.hookName}.hook_sae_output`]: zero })
    withLogits(view, (spliced) =>
      withLogits(model.withHooks({ [sae.hookName]: zero }), (hooked) => expectClose(spliced, hooked, 0)),
    )
  })

  it('has the recorded activations and logit differences', async () => {
    const { clean, answer, wrong, record } = await ioi()
    const ids = (names: string[]) => names.map((name) => model.toSingleToken(name))
    for (const sae of all) {
      const name = `${sae.hookName}.hook_sae_acts_post`
      using cache = model.withSaes(sae).runWithCache(clean, { names: name, positions: -1 })
      expectClose(cache.get(name), record.values(`sae/${sae.label}/acts_last`), tolerances.pocket, sae.label)
      const last = tf.tidy(() => rowsOf(cache.logits.slice([0, cache.logits.shape[1] - 1], [-1, 1])))
      const difference = last.map((row, b) => row[ids(answer)[b]!]! - row[ids(wrong)[b]!]!)
      expectClose(difference, record.values(`sae/${sae.label}/logit_diff`), tolerances.pocket, sae.label)
    }
  })

  describe('several at one hook point', () => {
    const site = 'blocks.2.hook_resid_pre'
    const second = `${site}.hook_sae_output`

    it('read one after the other, each below the output of the last', async () => {
      const [first, other] = [at(sites[0]!), await embeddedSae('pocket-res/blocks.1.hook_resid_pre')]
      const elsewhere = randomSae({ ...other.config, hookName: site })
      const view = model.withSaes([first, elsewhere])
      expect(view.attached.map((sae) => sae.readsAt)).to.deep.equal([site, second])
      using cache = view.runWithCache(prompts.clean)
      expectClose(cache.get(`${second}.hook_sae_input`), cache.get(second), 0)
      const chained = tf.tidy(() => elsewhere.call(first.call(cache.get(site))))
      expectClose(cache.get(`${second}.hook_sae_output`), chained, tolerances.noise)
      const logits = model.withHooks({ [site]: () => chained }).run(prompts.clean)
      expectClose(cache.logits, logits, tolerances.noise)
      expect(cache.names.filter((name) => name.startsWith(site))).to.deep.equal(
        view.hookNames.filter((name) => name.startsWith(site)),
      )
      tf.dispose([chained, logits])
      for (const sae of [other, elsewhere]) sae.dispose()
    })

    it('all see the same with their error terms, whose changes add up', async () => {
      const copy = await embeddedSae(sites[0]!)
      const view = model.withSaes([at(sites[0]!), copy], { errorTerm: true })
      withLogits(view, (logits) => expectClose(logits, plain, tolerances.noise))
      using cache = view.runWithCache(prompts.clean)
      const acts = (where: string) => cache.get(`${where}.hook_sae_acts_post`)
      expectClose(acts(second), acts(site), tolerances.noise)
      const ablated = [site, second].map((where) => [`${where}.hook_sae_acts_post`, zeroLatents] as const)
      using cut = view.withHooks(ablated).runWithCache(prompts.clean, { names: second })
      const recons = cache.get(`${site}.hook_sae_recons`)
      const bias = at(sites[0]!).b_dec
      const without = tf.tidy(() => cache.get(site).sub(recons).add(bias))
      expectClose(cut.get(second), without, tolerances.noise)
      without.dispose()
      copy.dispose()
    })

    it('targets latents of either by the point it sits at', async () => {
      const copy = await embeddedSae(sites[0]!)
      const view = model.withSaes([at(sites[0]!), copy], { errorTerm: true })
      for (const where of [site, second]) {
        const target = { hook: `${where}.hook_sae_acts_post`, unit: 3 }
        expect(resolveTarget('ablation', view, target).places).to.deep.equal([target])
      }
      copy.dispose()
    })
  })
})

const zeroLatents = (acts: tf.Tensor) => tf.zerosLike(acts)
