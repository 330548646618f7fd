/** Views: hooks, where to stop, where to start, methods; none of them changes the model. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import type { HookedModel } from '../../../lib/model.js'
import { expectClose, tolerances } from '../../support/close.js'
import { pocket } from '../../support/pocket.js'
import { refusalOf } from '../../support/refusal.js'
import { warmTinyModel } from '../../support/tiny-gpt2.js'

const prompts = [
  [3, 1, 4, 1, 5, 9],
  [22, 0, 7, 7, 18, 2],
]

/** The numbers of a run. */
function numbers(model: HookedModel, input: Parameters<HookedModel['run']>[0], options = {}): Float32Array {
  return tf.tidy(() => model.run(input, options).dataSync<'float32'>())
}

describe('lib/core/view', () => {
  let tiny: HookedModel
  let model: HookedModel
  before(async () => {
    tiny = await warmTinyModel()
    model = await pocket()
  })
  after(() => tiny.dispose())

  describe('withHooks', () => {
    const double = (x: tf.Tensor) => x.mul(2)
    const addOne = (x: tf.Tensor) => x.add(1)
    const seen = (view: HookedModel, name: string) => {
      using cache = view.runWithCache(prompts, { names: name })
      return cache.get(name).dataSync<'float32'>()
    }

    it('runs hooks in the order given, also over several views and filters', () => {
      const name = 'blocks.1.hook_resid_pre'
      const plain = seen(tiny, name)
      const twiceThenOne = Array.from(plain, (x) => 2 * x + 1)
      const oneThenTwice = Array.from(plain, (x) => 2 * (x + 1))
      expectClose(
        seen(
          tiny.withHooks([
            [name, double],
            [name, addOne],
          ]),
          name,
        ),
        twiceThenOne,
        tolerances.op,
      )
      expectClose(
        seen(tiny.withHooks({ [name]: addOne }).withHooks({ [name]: double }), name),
        oneThenTwice,
        tolerances.op,
      )
      expectClose(
        seen(
          tiny.withHooks([
            [/resid_pre$/, addOne],
            [[name], double],
          ]),
          name,
        ).subarray(0, 1),
        [seen(tiny.withHooks([[/resid_pre$/, addOne]]), name)[0]! * 2],
        tolerances.op,
      )
    })

    it('makes the cache and what follows see what a hook returned', () => {
      const view = tiny.withHooks({ 'blocks.0.hook_mlp_out': (x: tf.Tensor) => tf.zerosLike(x) })
      using cache = view.runWithCache(prompts)
      expectClose(cache.get('mlp_out', 0), new Float32Array(2 * 6 * 12), 0)
      expect(cache.get('resid_post', 0).dataSync()).to.deep.equal(cache.get('resid_mid', 0).dataSync())
    })

    it('reaches points on request, which then count', () => {
      const zero = (x: tf.Tensor) => tf.zerosLike(x)
      const byResult = tiny.withHooks({ 'blocks.1.attn.hook_result': zero })
      const byZ = tiny.withHooks({ 'blocks.1.attn.hook_z': zero })
      expectClose(numbers(byResult, prompts), numbers(byZ, prompts), tolerances.tiny)
      const byInputs = tiny.withHooks([[/blocks\.1\.hook_[qkv]_input$/, double]])
      const byAttnIn = tiny.withHooks({ 'blocks.1.hook_attn_in': double })
      expectClose(numbers(byInputs, prompts), numbers(byAttnIn, prompts), tolerances.tiny)
      expect(tf.util.arraysEqual(numbers(byZ, prompts), numbers(tiny, prompts))).to.equal(false)
    })

    it('gives a value input of a head to that head alone', () => {
      const head = 1
      const toHead = (x: tf.Tensor) => x.add(tf.oneHot([head], 3).reshape([1, 1, 3, 1]).mul(tf.range(0, 12)))
      const view = tiny.withHooks({ 'blocks.1.hook_v_input': toHead })
      using plain = tiny.runWithCache(prompts, { names: /blocks\.1\.attn\.hook_[qkv]$/ })
      using cache = view.runWithCache(prompts, { names: /blocks\.1\.attn\.hook_[qkv]$/ })
      tf.tidy(() => {
        for (const letter of ['q', 'k', 'v']) {
          const change = cache.get(letter, 1).sub(plain.get(letter, 1)).abs().max([0, 1, 3]).dataSync()
          Array.from(change).forEach((moved, h) => {
            if (letter === 'v' && h === head) expect(moved).to.be.greaterThan(0.1)
            else expect(moved, `${letter} of head ${h}`).to.be.lessThan(tolerances.tiny)
          })
        }
      })
    })

    it('leaves the model and other views as they were, also when a hook throws', async () => {
      const logits = numbers(tiny, prompts)
      const view = tiny.withHooks({ hook_embed: double })
      const changed = numbers(view, prompts)
      expect(tf.util.arraysEqual(changed, logits)).to.equal(false)
      const broken = view.withHooks({
        'blocks.1.attn.hook_z': () => {
          throw new Error('from the hook')
        },
      })
      const calls: (() => unknown)[] = [
        () => broken.run(prompts),
        () => broken.loss(prompts),
        () => broken.runWithCache(prompts),
        () => broken.runWithGradients(prompts, { metric: (x) => x.sum() }),
      ]
      for (const call of calls) {
        const message = await Promise.resolve()
          .then(call)
          .catch((error: Error) => error.message)
        expect(message).to.equal('from the hook')
        expect(numbers(tiny, prompts)).to.deep.equal(logits)
        expect(numbers(view, prompts)).to.deep.equal(changed)
      }
      expect(numbers(broken.plain(), prompts)).to.deep.equal(logits)
    })

    it('is not changed by changes to what it was made from', () => {
      const hooks: Record<string, typeof double> = { hook_embed: double }
      const view = tiny.withHooks(hooks)
      const before = numbers(view, prompts)
      hooks['hook_embed'] = addOne
      hooks['hook_pos_embed'] = addOne
      expect(numbers(view, prompts)).to.deep.equal(before)
    })

    it('refuses an unknown point before any run, with the nearest one', async () => {
      expect(await refusalOf(() => tiny.withHooks({ 'blocks.2.attn.hook_z': double }))).to.match(
        /^HookError: withHooks: no hook point 'blocks\.2\.attn\.hook_z' in tfjs-lens-\w+ \(2 layers: 0–1\)\. Did you mean 'blocks\.[01]\.attn\.hook_z'\?$/,
      )
      expect(await refusalOf(() => model.withHooks({ 'blocks.0.hook_z': double }))).to.equal(
        "HookError: withHooks: no hook point 'blocks.0.hook_z' in pocket-gpt2 (4 layers: 0–3). Did you mean 'blocks.0.attn.hook_z'?",
      )
    })

    for (const [what, value, shown] of [
      ['undefined', undefined, 'undefined'],
      ['a number', 0, '0'],
      ['a list', [1], '[1]'],
    ] as const) {
      it(`refuses ${what} in place of a function`, async () => {
        expect(await refusalOf(() => tiny.withHooks({ hook_embed: value as never }))).to.equal(
          `ArgumentError: withHooks: the hook for 'hook_embed' is ${shown}. It must be a function.`,
        )
      })
    }

    it('says name and shape when a hook returns another shape, and leaves nothing behind', async () => {
      const view = model.withHooks({ 'blocks.1.attn.hook_z': (x: tf.Tensor) => x.slice([0, 0, 0, 0], [1, 1, 8, 16]) })
      expect(await refusalOf(() => view.run([1, 2, 3]))).to.equal(
        "ShapeError: hook at 'blocks.1.attn.hook_z': the function returned shape [1,1,8,16]. It must return a tensor of shape [1,3,8,16].",
      )
    })
  })

  describe('stopAt', () => {
    const stops: [number, string][] = [
      [0, 'blocks.0.hook_resid_pre'],
      [1, 'blocks.0.hook_resid_post'],
      [2, 'blocks.1.hook_resid_post'],
      [-1, 'blocks.0.hook_resid_post'],
      [-2, 'blocks.0.hook_resid_pre'],
    ]
    for (const [layer, name] of stops) {
      it(`${layer} gives ${name}`, () => {
        using cache = tiny.runWithCache(prompts, { names: name })
        expect(numbers(tiny.stopAt(layer), prompts)).to.deep.equal(cache.get(name).dataSync())
      })
    }

    it('caches the points that are reached, and the residual stream as its output', () => {
      using cache = tiny.stopAt(1).runWithCache(prompts)
      expect(cache.names).to.include('blocks.0.hook_resid_post')
      expect(cache.names.filter((name) => /^(blocks\.1|ln_final|unembed)\./.test(name))).to.deep.equal([])
      expect(cache.logits.dataSync()).to.deep.equal(cache.get('resid_post', 0).dataSync())
    })

    it('takes of a pattern the points that are reached', async () => {
      using cache = tiny.stopAt(1).runWithCache(prompts, { names: /hook_z$/ })
      expect(cache.names).to.deep.equal(['blocks.0.attn.hook_z'])
      expect(await refusalOf(() => tiny.stopAt(1).runWithCache(prompts, { names: /^ln_final/ }))).to.equal(
        "HookError: runWithCache: 'ln_final.hook_scale' is never reached, as this view stops at layer 1. Ask for earlier points or stop later.",
      )
    })

    it('refuses points behind it, runs that need logits, and layers that are none', async () => {
      const view = tiny.stopAt(1)
      expect(await refusalOf(() => view.runWithCache(prompts, { names: 'blocks.1.hook_resid_pre' }))).to.equal(
        "HookError: runWithCache: 'blocks.1.hook_resid_pre' is never reached, as this view stops at layer 1. Ask for earlier points or stop later.",
      )
      expect(await refusalOf(() => view.withHooks({ 'blocks.1.hook_mlp_out': (x: tf.Tensor) => x }))).to.equal(
        "HookError: withHooks: 'blocks.1.hook_mlp_out' is never reached, as this view stops at layer 1. Ask for earlier points or stop later.",
      )
      const noLogits = 'this view stops at layer 1 and has no logits. Use a view that does not stop.'
      expect(await refusalOf(() => view.loss(prompts))).to.equal(`ArgumentError: loss: ${noLogits}`)
      expect(await refusalOf(() => view.lossPerToken(prompts))).to.equal(`ArgumentError: lossPerToken: ${noLogits}`)
      for (const layer of [3, -3, 0.5, NaN]) {
        expect(await refusalOf(() => tiny.stopAt(layer))).to.equal(
          `ArgumentError: stopAt: ${layer} is not a layer of a model of 2 layers. Give a whole number from -2 to 2.`,
        )
      }
    })
  })

  describe('logits: false', () => {
    for (const names of ['hook_embed', /blocks\.0\.attn/, 'blocks.1.mlp.hook_post', 'ln_final.hook_scale'] as const) {
      it(`gives the same ${String(names)} without running what comes behind`, async () => {
        let last = ''
        const view = tiny.withHooks([[/resid_pre$|hook_out$/, (_, { name }) => void (last = name)]])
        using full = view.runWithCache(prompts, { names })
        expect(last).to.equal('unembed.hook_out')
        last = ''
        using early = view.runWithCache(prompts, { names, logits: false })
        const reached = { hook_embed: '', 'blocks.1.mlp.hook_post': 'blocks.1.hook_resid_pre' }[String(names)]
        expect(last).to.equal(reached ?? (names instanceof RegExp ? 'blocks.0.hook_resid_pre' : 'unembed.hook_out'))
        expect(early.names).to.deep.equal(full.names)
        for (const [name, x] of full.entries()) expect(early.get(name).dataSync(), name).to.deep.equal(x.dataSync())
        expect(await refusalOf(() => early.logits)).to.equal(
          'HookError: cache.logits: the run left the logits out. Run without { logits: false }.',
        )
      })
    }
  })

  describe('run from a layer', () => {
    it('goes on from a residual stream as the whole run does', () => {
      using cache = tiny.runWithCache(prompts)
      for (const layer of [0, 1]) {
        const resid = cache.get<tf.Tensor3D>('resid_pre', layer)
        expect(numbers(tiny, prompts, { from: { layer, resid } })).to.deep.equal(cache.logits.dataSync())
      }
      const final = cache.get<tf.Tensor3D>('resid_post', 1)
      expect(numbers(tiny, prompts, { from: { layer: 2, resid: final } })).to.deep.equal(cache.logits.dataSync())
      const doubled = tf.tidy(() => cache.get<tf.Tensor3D>('resid_pre', 1).mul(2)) as tf.Tensor3D
      const hooked = tiny.withHooks({ 'blocks.1.hook_resid_pre': (x: tf.Tensor) => x.mul(2) })
      expect(numbers(tiny, prompts, { from: { layer: 1, resid: doubled } })).to.deep.equal(numbers(hooked, prompts))
      expect(doubled.isDisposed).to.equal(false)
      doubled.dispose()
    })

    it('refuses a layer that is not run and a stream of another shape', async () => {
      const resid = tf.zeros([2, 5, 12]) as tf.Tensor3D
      const must = 'It must be a block that this view runs, or the number of blocks for the final norm:'
      for (const layer of [3, -1, 0.5]) {
        expect(await refusalOf(() => tiny.run(prompts, { from: { layer, resid } }))).to.equal(
          `ArgumentError: run: from.layer is ${layer}. ${must} 0 to 2.`,
        )
      }
      expect(await refusalOf(() => tiny.stopAt(1).run(prompts, { from: { layer: 1, resid } }))).to.equal(
        `ArgumentError: run: from.layer is 1. ${must} 0 to 0.`,
      )
      expect(await refusalOf(() => tiny.run(prompts, { from: { layer: 0, resid } }))).to.equal(
        'ShapeError: run: from.resid has shape [2,5,12]. For these prompts it must be [2,6,12].',
      )
      resid.dispose()
    })
  })

  describe('use', () => {
    it('adds analyses as methods of a new view, which later views keep', () => {
      const layers = (view: HookedModel, times: number) => view.config.nLayers * times
      const withLayers = tiny.use({ layers })
      expect(withLayers.layers(10)).to.equal(20)
      expect('layers' in tiny).to.equal(false)
      const stopped = (view: HookedModel) => tf.tidy(() => [...view.stopAt(1).run(prompts).shape])
      const both = withLayers.use({ stopped }).withHooks({ hook_embed: () => {} })
      expect(both.layers(1)).to.equal(2)
      expect(both.stopped()).to.deep.equal([2, 6, 12])
    })

    it('hands the view that was called to the analysis', () => {
      const used = tiny.use({ self: (view: HookedModel) => view })
      expect(used.self()).to.equal(used)
      const stopped = used.stopAt(1)
      expect(stopped.self()).to.equal(stopped)
    })

    it('refuses a taken name and what is no function', async () => {
      const taken = "ArgumentError: use: the name 'run' is taken on this model. Give the analysis another name."
      expect(await refusalOf(() => tiny.use({ run: () => 1 }))).to.equal(taken)
      const twice = tiny.use({ mine: () => 1 })
      expect(await refusalOf(() => twice.use({ mine: () => 2 }))).to.match(
        /^ArgumentError: use: the name 'mine' is taken/,
      )
      expect(await refusalOf(() => tiny.use({ mine: 3 as never }))).to.equal(
        "ArgumentError: use: 'mine' is number. An analysis is a function.",
      )
    })
  })
})
