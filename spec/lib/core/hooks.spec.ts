/** Hook points as an argument: how functions, observers and splices compose. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { makeAt, noTaps, silent, type HookFunction } from '../../../lib/core/hooks.js'
import type { Observer, SpliceFunction, Taps } from '../../../lib/core/hooks.js'
import { refusalOf } from '../../support/refusal.js'

const numbers = (x: tf.Tensor) => Array.from(x.dataSync())
const hooked = (hooks: Record<string, HookFunction[]>): Taps => ({ ...noTaps, hooks: new Map(Object.entries(hooks)) })

describe('lib/core/hooks', () => {
  describe('at', () => {
    it('hands on the very tensor where nobody listens', () => {
      tf.tidy(() => {
        const x = tf.scalar(1)
        expect(silent('hook_z', x)).to.equal(x)
        expect(makeAt(hooked({ other: [(v) => v.add(1)] }))('hook_z', x)).to.equal(x)
      })
    })

    it('is observed under a prefix where somebody listens, replaces or gives anything', () => {
      const name = 'blocks.1.attn.hook_z'
      const splice: SpliceFunction = (x) => x
      const observer: Observer = { names: new Set([name]), see: (_, x) => x }
      const taps: Taps[] = [
        hooked({ [name]: [() => undefined] }),
        { ...noTaps, splices: new Map([[name, splice]]) },
        { ...noTaps, observers: [observer] },
        { ...noTaps, given: new Map([[name, tf.scalar(1)]]) },
      ]
      for (const one of taps) {
        const at = makeAt(one)
        const blocks = ['blocks.0', 'blocks.1', 'blocks.10'].map((prefix) => at.under(prefix))
        expect(blocks.map((block) => block.observed())).to.deep.equal([false, true, false])
        expect(blocks[1]!.under('attn').observed()).to.equal(true)
        expect(blocks[1]!.under('mlp').observed()).to.equal(false)
        expect(blocks[1]!.observed('hook_mlp_out', 'attn.hook_z')).to.equal(true)
        expect(blocks[1]!.observed('hook_mlp_out')).to.equal(false)
      }
      taps[3]!.given!.get(name)!.dispose()
    })

    it('runs hooks in their order, each on what the one before returned', () => {
      const double: HookFunction = (x: tf.Tensor) => x.mul(2)
      const addOne: HookFunction = (x: tf.Tensor) => x.add(1)
      tf.tidy(() => {
        const x = tf.tensor1d([1, 10])
        expect(numbers(makeAt(hooked({ p: [double, addOne] }))('p', x))).to.deep.equal([3, 21])
        expect(numbers(makeAt(hooked({ p: [addOne, double] }))('p', x))).to.deep.equal([4, 22])
      })
    })

    it('goes on with the value as it is when a hook returns nothing', () => {
      tf.tidy(() => {
        const seen: tf.Tensor[] = []
        const look: HookFunction = (x: tf.Tensor) => void seen.push(x)
        const x = tf.tensor1d([1, 2])
        expect(makeAt(hooked({ p: [look, look] }))('p', x)).to.equal(x)
        expect(seen).to.deep.equal([x, x])
      })
    })

    it('tells a hook the full name and the layer', () => {
      const told: unknown[] = []
      const at = makeAt(
        hooked({ hook_embed: [(_, c) => void told.push(c)], 'blocks.12.attn.hook_z': [(_, c) => void told.push(c)] }),
      )
      tf.tidy(() => {
        at('hook_embed', tf.scalar(0))
        at.under('blocks.12').under('attn')('hook_z', tf.scalar(0))
      })
      expect(told).to.deep.equal([
        { name: 'hook_embed', layer: undefined },
        { name: 'blocks.12.attn.hook_z', layer: 12 },
      ])
    })

    it('shows observers what the hooks left, and the splice what the observers passed on', () => {
      const order: string[] = []
      const observer: Observer = {
        names: new Set(['p']),
        see: (name, x) => {
          order.push(`observer ${name} ${numbers(x)}`)
          return x
        },
      }
      const splice: SpliceFunction = (x, at) => {
        order.push(`splice ${numbers(x)}`)
        return at('hook_inner', x.mul(10))
      }
      const inner: HookFunction = (x: tf.Tensor, { name }) => {
        order.push(`${name} ${numbers(x)}`)
        return x.add(5)
      }
      const at = makeAt({
        hooks: new Map<string, HookFunction[]>([
          ['p', [(x: tf.Tensor) => x.add(1)]],
          ['p.hook_inner', [inner]],
        ]),
        observers: [observer],
        splices: new Map([['p', splice]]),
      })
      tf.tidy(() => void expect(numbers(at('p', tf.scalar(1)))).to.deep.equal([25]))
      expect(order).to.deep.equal(['observer p 2', 'splice 2', 'p.hook_inner 20'])
    })

    it('says which points somebody observes, and which may be replaced', () => {
      const observer: Observer = { names: new Set(['b.seen']), see: (_, x) => x }
      const at = makeAt({ ...hooked({ 'b.hooked': [() => {}] }), observers: [observer] }).under('b')
      expect(['seen', 'hooked', 'other'].map((name) => at.observed(name))).to.deep.equal([true, true, false])
      expect(['seen', 'hooked', 'other'].map((name) => at.replaces(name))).to.deep.equal([false, true, false])
    })

    const wrong: [string, () => unknown, string][] = [
      [
        'another shape',
        () => tf.zeros([2, 2]),
        "ShapeError: hook at 'p': the function returned shape [2,2]. It must return a tensor of shape [2].",
      ],
      [
        'a scalar',
        () => tf.scalar(1),
        "ShapeError: hook at 'p': the function returned shape []. It must return a tensor of shape [2].",
      ],
      [
        'a number',
        () => 3,
        "ShapeError: hook at 'p': the function returned number. It must return a tensor of shape [2].",
      ],
      [
        'null',
        () => null,
        "ShapeError: hook at 'p': the function returned object. It must return a tensor of shape [2].",
      ],
      [
        'an array',
        () => [1, 2],
        "ShapeError: hook at 'p': the function returned object. It must return a tensor of shape [2].",
      ],
      [
        'a promise',
        () => Promise.resolve(),
        "ArgumentError: hook at 'p': the function returned a promise. Hooks are synchronous: return a tensor.",
      ],
      [
        'a promise that fails',
        () => Promise.reject(new Error('of no interest')),
        "ArgumentError: hook at 'p': the function returned a promise. Hooks are synchronous: return a tensor.",
      ],
      [
        'whole numbers',
        () => tf.tensor1d([1, 2], 'int32'),
        "ShapeError: hook at 'p': the function returned a tensor of int32. It must return a live tensor of float32.",
      ],
      [
        'a disposed tensor',
        () => {
          const x = tf.tensor1d([1, 2])
          x.dispose()
          return x
        },
        "ShapeError: hook at 'p': the function returned a tensor that is disposed. It must return a live tensor of float32.",
      ],
    ]
    for (const [what, hook, message] of wrong) {
      it(`refuses a hook that returns ${what}`, async () => {
        const call = () => tf.tidy(() => makeAt(hooked({ p: [hook as HookFunction] }))('p', tf.tensor1d([1, 2])))
        expect(await refusalOf(call)).to.equal(message)
      })
    }
  })
})
