/** Views changed at a position of each prompt: exactly there, exactly so. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { positionsAt, withoutError, withoutLatents, withReplaced } from '../../../analyses/index.js'
import { replacedAt } from '../../../analyses/patching/view-edits.js'
import { head, latents, point } from '../../../lib/core/sites.js'
import type { HookedModel } from '../../../lib/model.js'
import type { Sae } from '../../../saes/index.js'
import { expectClose, maxDifference, tolerances } from '../../support/close.js'
import { pocket } from '../../support/pocket.js'
import { refusalOf } from '../../support/refusal.js'
import { embeddedSae } from '../../support/saes.js'

const texts = ['Carl and Eva went to the hill', 'Rose gave a hat to']

describe('view edits', () => {
  let model: HookedModel
  let sae: Sae
  let view: HookedModel
  before(async () => {
    model = await pocket()
    sae = await embeddedSae('pocket-res/blocks.2.hook_resid_pre')
    view = model.withSaes(sae, { errorTerm: true })
  })
  after(() => void sae.dispose())

  /** What goes on at the SAE's site [B][P][D]. */
  function goesOn(of: HookedModel): number[][][] {
    const name = `${sae.hookName}.hook_sae_output`
    using cache = of.runWithCache(texts, { names: name, logits: false })
    return cache.get<tf.Tensor3D>(name).arraySync()
  }

  it('count positions from the end of each prompt, padded on either side', async () => {
    for (const [paddingSide, last] of [
      ['right', [7, 5]],
      ['left', [7, 7]],
    ] as const) {
      const tokens = model.toTokens(texts, { paddingSide })
      expect(tokens.positions).to.equal(8)
      expect(positionsAt(tokens, -1, 'test')).to.deep.equal(last)
      expect(positionsAt(tokens, [0, -2], 'test')).to.deep.equal([0, last[1] - 1])
      expect(positionsAt(tokens, 'all', 'test')).to.equal(undefined)
    }
    const tokens = model.toTokens(texts)
    expect(await refusalOf(() => positionsAt(tokens, [1], 'test'))).to.equal(
      "ArgumentError: test: position is [1]. Give a number, 'all', or a list of one for each of the 2 prompts.",
    )
    expect(await refusalOf(() => positionsAt(tokens, [0, 6], 'test'))).to.include('test: there is no position 6 in prompts of 6 tokens') // prettier-ignore
  })

  it('replace at one position of each prompt, or at all', () => {
    tf.tidy(() => {
      const x = tf.range(0, 24).reshape([2, 3, 2, 2])
      const edited = replacedAt(x, tf.scalar(-1), { positions: [2, 0] }).arraySync() as number[][][][]
      const plain = x.arraySync() as number[][][][]
      const minus = [[-1, -1], [-1, -1]] // prettier-ignore
      expect(edited).to.deep.equal([[plain[0]![0], plain[0]![1], minus], [minus, plain[1]![1], plain[1]![2]]]) // prettier-ignore
      expect(replacedAt(x, tf.scalar(3), {}).arraySync()).to.deep.equal(tf.fill(x.shape, 3).arraySync())
    })
  })

  it('take away what latents write, zero an activation, put a mean in, or leave the reconstruction', () => {
    const tokens = view.toTokens(texts)
    const positions = positionsAt(tokens, -2, 'test')!
    const clean = goesOn(view)
    using cache = view.runWithCache(tokens, { names: /hook_sae_(acts_post|recons)$/, logits: false })
    const acts = cache.get<tf.Tensor3D>(`${sae.hookName}.hook_sae_acts_post`).arraySync()
    const recons = cache.get<tf.Tensor3D>(`${sae.hookName}.hook_sae_recons`).arraySync()
    const W_dec = sae.W_dec.arraySync()
    const firing = acts[0]![positions[0]!]!.flatMap((act, latent) => (act > 0 ? [latent] : [])).slice(0, 3)
    expect(firing).to.have.length(3)
    const mean = Float32Array.from({ length: 128 }, (_, i) => i / 100)
    const cases: [HookedModel, (b: number, p: number) => number[]][] = [
      [
        withoutLatents(view, latents(sae, ...firing), { positions }),
        (b, p) => clean[b]![p]!.map((x, i) => firing.reduce((sum, f) => sum - acts[b]![p]![f]! * W_dec[f]![i]!, x)),
      ],
      [withReplaced(view, point('resid_pre', 2), { positions }), () => new Array<number>(128).fill(0)],
      [withReplaced(view, point('resid_pre', 2), { positions, by: mean }), () => [...mean]],
      [withoutError(view, { positions }), (b, p) => recons[b]![p]!],
    ]
    for (const [edited, wanted] of cases) {
      const after = goesOn(edited)
      after.forEach((row, b) =>
        row.forEach((values, p) => {
          expectClose(values, p === positions[b] ? wanted(b, p) : clean[b]![p]!, tolerances.noise, `${b} ${p}`)
        }),
      )
      expect(maxDifference(after[0]![positions[0]!]!, clean[0]![positions[0]!]!)).to.be.above(0.01)
    }
    const everywhere = goesOn(withoutError(view))
    expectClose(everywhere.flat(2), recons.flat(2), tolerances.noise)
  })

  it('replace units of an activation alone', () => {
    const name = 'blocks.1.attn.hook_z'
    const zOf = (of: HookedModel) => {
      using cache = of.runWithCache(texts, { names: name, logits: false })
      return cache.get<tf.Tensor4D>(name).arraySync()
    }
    const plain = zOf(model)
    const by = Float32Array.from({ length: 16 }, (_, i) => i)
    for (const [edited, wanted] of [
      [withReplaced(model, head(1, 6)), new Float32Array(16)],
      [withReplaced(model, head(1, 6), { positions: [2, 4], by }), by],
    ] as const) {
      const isChanged = (b: number, p: number) => wanted !== by || p === [2, 4][b]
      zOf(edited).forEach((row, b) =>
        row.forEach((heads, p) =>
          heads.forEach((z, h) => {
            expectClose(z, h === 6 && isChanged(b, p) ? [...wanted] : plain[b]![p]![h]!, 0, `${b} ${p} ${h}`)
          }),
        ),
      )
    }
  })

  it('refuse places and options that there are not', async () => {
    expect(await refusalOf(() => withReplaced(model, head(1, 8)))).to.equal(
      "ArgumentError: withReplaced: there is no head 8 at 'blocks.1.attn.hook_z'. It has heads 0 to 7.",
    )
    expect(await refusalOf(() => withoutLatents(view, point('resid_pre', 2)))).to.equal(
      'ArgumentError: withoutLatents: {"hook":"blocks.2.hook_resid_pre"} are no latents. Give latents(sae, 3, 14).',
    )
    expect(await refusalOf(() => withoutLatents(model, latents(sae, 3)))).to.match(
      /^HookError: withoutLatents: there is no SAE at/,
    )
    expect(await refusalOf(() => withReplaced(model, head(1, 2), { position: [1] } as never))).to.equal(
      "ArgumentError: withReplaced: there is no option 'position'. Did you mean 'positions'? The options are positions, by.",
    )
  })
})
