/** Path patching and edge attribution, held to hooks that patch one receiver's input by hand. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { edgeAttribution, pathPatching } from '../../../analyses/index.js'
import type { HookFunction } from '../../../lib/core/hooks.js'
import { logitDiff, type Metric } from '../../../lib/core/metrics.js'
import { head, point } from '../../../lib/core/sites.js'
import type { HookedModel } from '../../../lib/model.js'
import { random } from '../../../lib/stats/random.js'
import { loadModel } from '../../../models/load-model.js'
import { expectClose, tolerances } from '../../support/close.js'
import { ioi, quiet } from '../../support/ioi.js'
import { pocket } from '../../support/pocket.js'
import { recordFolder } from '../../support/record-model.js'
import { refusalOf } from '../../support/refusal.js'
import { expectTraceable } from '../../support/results.js'

interface Setting {
  readonly model: HookedModel
  readonly prompts: number[][]
  readonly source: number[][]
  readonly metric: Metric
}

/** What a sender writes otherwise on the source [B,P,D], from whole runs alone. */
function changeOf({ model, prompts, source }: Setting, sender: string): tf.Tensor {
  const [, layer, head] = /^L(\d+)H(\d+)$/.exec(sender) ?? []
  const mlp = /^MLP(\d+)$/.exec(sender)?.[1]
  const point = mlp ? `blocks.${mlp}.hook_mlp_out` : layer ? `blocks.${layer}.attn.hook_z` : 'hook_embed'
  using there = model.runWithCache(source, { names: point, logits: false })
  return tf.tidy(() => {
    const out = layer ? `blocks.${layer}.hook_attn_out` : point
    const seen = (view: HookedModel) => {
      using cache = view.runWithCache(prompts, { names: out, logits: false })
      return cache.get(out).clone()
    }
    const swap = (x: tf.Tensor) => {
      if (!layer) return there.get(point).clone()
      const own = tf
        .oneHot(tf.scalar(Number(head), 'int32'), x.shape[2]!)
        .reshape([1, 1, -1, 1])
        .toBool()
      return tf.where(own, there.get(point), x)
    }
    return seen(model.withHooks({ [point]: swap })).sub(seen(model))
  })
}

/** The change of the metric when a receiver's input has the change in it. */
function byHand(setting: Setting, sender: string, receiver: string): number[] {
  const { model, prompts, metric } = setting
  const change = changeOf(setting, sender)
  const [, layer, head, input] = /^L(\d+)H(\d+)\.([qkv])$/.exec(receiver) ?? []
  const mlp = /^MLP(\d+)$/.exec(receiver)?.[1]
  const add: HookFunction = (x: tf.Tensor) => x.add(change)
  const addToHead: HookFunction = (x: tf.Tensor) => {
    const own = tf
      .oneHot(tf.scalar(Number(head), 'int32'), x.shape[2]!)
      .toFloat()
      .reshape([1, 1, -1, 1])
    return x.add(change.expandDims(2).mul(own))
  }
  const last = `blocks.${model.config.nLayers - 1}.hook_resid_post`
  const name = mlp ? `blocks.${mlp}.hook_mlp_in` : layer ? `blocks.${layer}.hook_${input}_input` : last
  const bound = model.bindMetric(metric, model.toTokens(prompts))
  const value = (view: HookedModel) => Array.from(tf.tidy(() => bound(view.run(prompts)).dataSync()))
  const before = value(model)
  const after = value(model.withHooks({ [name]: layer ? addToHead : add }))
  change.dispose()
  return after.map((x, b) => x - before[b]!)
}

describe('pathPatching and edgeAttribution', () => {
  let model: HookedModel
  before(async () => void (model = await pocket()))

  for (const family of ['gpt2', 'gpt_neox', 'llama', 'gemma2']) {
    it(`patch single paths in ${family} as hooks do, and nothing where there is no path`, async () => {
      using small = await loadModel(recordFolder(family))
      const own = random(4)
      const row = () => Array.from({ length: 6 }, () => own.integer(small.config.dVocab))
      const setting = { model: small, prompts: [row(), row()], source: [row(), row()], metric: logitDiff(3, 5) }
      const last = small.config.nLayers - 1
      const senders = ['embed', 'L0H1', 'MLP0', `L${last}H0`]
      const receivers = [`L${last}H1.q`, `L${last}H0.k`, 'L0H0.v', 'MLP0', `MLP${last}`, 'final']
      const options = { metric: setting.metric, source: setting.source, senders, receivers, ...quiet }
      const result = await pathPatching(small, setting.prompts, options)
      expect(result.axes.map(({ name }) => name)).to.deep.equal(['sender', 'receiver', 'prompt'])
      const none = (sender: string, receiver: string) =>
        (sender === 'MLP0' && ['MLP0', 'L0H0.v'].includes(receiver)) ||
        (sender === 'L0H1' && (receiver === 'L0H0.v' || (receiver === 'MLP0' && family === 'gpt_neox'))) ||
        (sender.startsWith(`L${last}`) && receiver !== 'final' && !(receiver === `MLP${last}` && family !== 'gpt_neox'))
      for (const [s, sender] of senders.entries()) {
        for (const [r, receiver] of receivers.entries()) {
          const values = [0, 1].map((b) => result.at(s, r, b))
          const expected = none(sender, receiver) ? [0, 0] : byHand(setting, sender, receiver)
          expectClose(values, expected, none(sender, receiver) ? 0 : tolerances.noise, `${sender} → ${receiver}`)
        }
      }
    })
  }

  it('patches several receivers at once, and says where it is from', async () => {
    const { clean, corrupt, metric } = await ioi(2)
    const receivers = ['L3H0.v', 'L3H1.v', 'L2H4.q']
    const set = { metric, source: corrupt, senders: ['L1H2', 'MLP1'], ...quiet }
    const seen: string[] = []
    const onProgress = (done: number, total: number) => void seen.push(`${done}/${total}`)
    const together = await pathPatching(model, clean, { ...set, receivers, together: true, onProgress })
    expect(together.shape).to.deep.equal([2, 2])
    expect(seen).to.deep.equal(['1/2', '2/2'])
    await expectTraceable(together)
    const single = await pathPatching(model, clean, { ...set, receivers: ['L2H4.q'] })
    const alone = await pathPatching(model, clean, { ...set, receivers: ['L2H4.q'], together: true })
    expectClose(single.values, alone.values, 0)
  })

  it('is one sweep: within any budget, with one count, and it goes on where it was stopped', async () => {
    const { clean, corrupt, metric } = await ioi(3)
    const folder = await mkdtemp(join(tmpdir(), 'tfjs-lens-'))
    const nodes = { senders: ['embed', 'L1H2', 'MLP1'], receivers: ['L2H4.q', 'L3H0.v', 'MLP3', 'final'] }
    const set = { metric, source: corrupt, ...nodes }
    const whole = await pathPatching(model, clean, { ...set, ...quiet })
    const small = await pathPatching(model, clean, { ...set, ...quiet, budget: 1 })
    expectClose(small.values, whole.values, tolerances.noise)
    const stop = new AbortController()
    const counts: string[] = []
    const onProgress = (done: number, total: number) => {
      counts.push(`${done}/${total}`)
      if (done === 5) stop.abort(new Error('enough'))
    }
    try {
      const checkpoint = join(folder, 'paths.json')
      const stopped = pathPatching(model, clean, { ...set, budget: 1, checkpoint, onProgress, signal: stop.signal })
      expect(await stopped.then(() => 'whole', String)).to.equal('Error: enough')
      expect(counts).to.include('5/12')
      expect(counts).to.not.include('12/12')
      const again: number[] = []
      const rest = await pathPatching(model, clean, { ...set, checkpoint, onProgress: (done) => void again.push(done) })
      expectClose(rest.values, whole.values, tolerances.noise)
      expect(again).to.deep.equal(Array.from({ length: 12 }, (_, i) => i + 1))
      const other = () => pathPatching(model, clean, { ...set, source: [...corrupt].reverse(), checkpoint, ...quiet })
      expect(await refusalOf(other)).to.include('holds the results of another sweep')
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('estimates paths to first order, better with steps where the path is straight', async () => {
    const { clean, corrupt, metric } = await ioi(2)
    const nodes = { senders: ['embed', 'L0H3', 'MLP1', 'L3H2'], receivers: ['L2H4.v', 'MLP2', 'final'] }
    const edges = await edgeAttribution(model, clean, { metric, source: corrupt, ...nodes })
    expect(edges.shape).to.deep.equal([4, 3, 2])
    expectClose(
      [0, 1].map((b) => edges.at('L3H2', 'MLP2', b)),
      [0, 0],
      0,
    )
    // a tiny part of the change: the estimate is the derivative
    using cache = model.runWithCache(clean, { names: ['blocks.1.hook_mlp_out', 'blocks.2.hook_resid_mid'] })
    using other = model.runWithCache(corrupt, { names: 'blocks.1.hook_mlp_out', logits: false })
    const step = 1e-2
    const part = tf.tidy(() => other.get('blocks.1.hook_mlp_out').sub(cache.get('blocks.1.hook_mlp_out')).mul(step))
    const bound = model.bindMetric(metric, model.toTokens(clean))
    const value = (sign: number) =>
      Array.from(tf.tidy(() => bound(model.withHooks({ 'blocks.2.hook_mlp_in': (x: tf.Tensor) => x.add(part.mul(sign)) }).run(clean)).dataSync())) // prettier-ignore
    const [up, down] = [value(1), value(-1)]
    part.dispose()
    const slope = up.map((x, b) => (x - down[b]!) / (2 * step))
    expectClose([0, 1].map((b) => edges.at('MLP1', 'MLP2', b)), slope, { atol: 4e-3, rtol: 1e-2 }) // prettier-ignore
    const stepped = await edgeAttribution(model, clean, { metric, source: corrupt, ...nodes, steps: 4 })
    expect(stepped.extra.steps).to.equal(4)
    await expectTraceable(stepped)
  })

  it('of the embedding into everything sums to what the whole prompt changes, with enough steps', async () => {
    // all that the embedding changes goes through its edges: their path integral is the whole change
    const { clean, corrupt, metric } = await ioi(2)
    const { attributionPatching } = await import('../../../analyses/index.js')
    const total = await attributionPatching(model, clean, {
      metric,
      source: corrupt,
      target: point('embed'),
      steps: 48,
    })
    const bound = model.bindMetric(metric, model.toTokens(clean))
    const whole = tf.tidy(() =>
      Array.from(
        bound(model.run(corrupt))
          .sub(bound(model.run(clean)))
          .dataSync(),
      ),
    )
    // the rule of midpoints over 48 steps leaves some hundredths of a change of ten
    expectClose(total.sum('position').values, whole, 0.1)
    const edges = await edgeAttribution(model, clean, { metric, source: corrupt, senders: ['embed'], steps: 48 })
    expectClose(edges.sum('receiver').values, total.sum('position').values, 2e-3)
  })

  it('take sites for nodes, next to names', async () => {
    const { clean, corrupt, metric } = await ioi(2)
    const named = { senders: ['embed', 'L0H3', 'L0H5', 'MLP1'], receivers: ['L2H4.v', 'L2H4.q', 'MLP2', 'final'] }
    const sites = {
      senders: [point('embed'), { hook: 'blocks.0.attn.hook_z', unit: [3, 5] }, point('mlp_out', 1)],
      receivers: [head(2, 4, 'v'), 'L2H4.q', point('mlp_in', 2), point('resid_post', 3)],
    }
    for (const analysis of [pathPatching, edgeAttribution]) {
      const given = { metric, source: corrupt, ...quiet }
      const [found, wanted] = [
        await analysis(model, clean, { ...given, ...sites }),
        await analysis(model, clean, { ...given, ...named }),
      ]
      expect(found.axes).to.deep.equal(wanted.axes)
      expectClose(found.values, wanted.values, 0)
    }
  })

  it('refuse nodes that the model has not, before any run', async () => {
    let runs = 0
    const { clean, corrupt, metric } = await ioi(2)
    const view = model.withHooks({ hook_embed: () => void runs++ })
    const attempt = (options: object) =>
      refusalOf(() => pathPatching(view, clean, { metric, source: corrupt, ...quiet, ...options }))
    expect(await attempt({ senders: ['L1H9'] })).to.include("pathPatching: there is no 'L1H9' among senders. Did you mean 'L1H") // prettier-ignore
    expect(await attempt({ receivers: ['L1H2'] })).to.include("there is no 'L1H2' among receivers.")
    expect(await attempt({ receivers: [head(1, 2)] })).to.include(
      "there is no 'L1H2' among receivers. Did you mean 'L1H2.",
    )
    expect(await attempt({ senders: [point('resid_mid', 1)] })).to.include(
      "there is no 'blocks.1.hook_resid_mid' among senders.",
    )
    expect(await attempt({ sender: ['L1H1'] })).to.include(
      "pathPatching: there is no option 'sender'. Did you mean 'senders'?",
    )
    expect(await attempt({ receivers: [] })).to.include('receivers is []. Give a list of at least one.')
    expect(await attempt({ source: corrupt.slice(1) })).to.include('Each prompt needs a source of its own length.')
    expect(await refusalOf(() => edgeAttribution(view, clean, { metric, source: corrupt, steps: 0 }))).to.equal('ArgumentError: edgeAttribution: steps is 0. It must be a whole number, at least 1.') // prettier-ignore
    expect(runs).to.equal(0)
  })
})
