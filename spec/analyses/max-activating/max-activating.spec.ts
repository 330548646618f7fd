/** The most activating examples: held to the naive computation over all rows at once. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { MaxActivating, maxActivating, tokenLabel, type MaxActivatingOptions } from '../../../analyses/index.js'
import type { TokenData } from '../../../lib/data/token-data.js'
import type { HookedModel } from '../../../lib/model.js'
import { renderPage } from '../../../lib/report/page/page.js'
import { kLargestIndices } from '../../../lib/stats/k-largest.js'
import { random } from '../../../lib/stats/random.js'
import { Tokens } from '../../../lib/tokens/tokens.js'
import type { Sae } from '../../../saes/index.js'
import { expectClose, tolerances } from '../../support/close.js'
import { pocket } from '../../support/pocket.js'
import { refusalOf } from '../../support/refusal.js'
import { embeddedSae } from '../../support/saes.js'
import { givenRows } from '../../support/given-rows.js'

const labels = ['pocket-res/blocks.2.hook_resid_pre', 'pocket-z/blocks.1.hook_z', 'pocket-mlp/blocks.1.mlp.hook_post']
const quiet = { onProgress: () => undefined }

describe('max-activating', () => {
  let model: HookedModel
  const saes: Sae[] = []
  let rows: number[][]

  before(async () => {
    model = await pocket()
    for (const label of labels) saes.push(await embeddedSae(label))
    const { integer } = random(3)
    rows = Array.from({ length: 22 }, () => Array.from({ length: 30 }, (_, p) => (p === 0 ? 0 : integer(600))))
  })
  after(() => saes.forEach((sae) => sae.dispose()))

  const search = (view: HookedModel, options: MaxActivatingOptions = {}, data: TokenData = givenRows(rows, 5)) =>
    maxActivating(view, data, { k: 4, buffer: 3, ...quiet, ...options })

  /** [latent][row][position] of a whole hook point, by a plain cached run. */
  function everything(view: HookedModel, name: string, latents: readonly number[], of = rows): number[][][] {
    using cache = view.runWithCache(of, { names: name, logits: false })
    const all = cache.get<tf.Tensor3D>(name).arraySync()
    return latents.map((latent) => all.map((row) => row.map((acts) => acts[latent]!)))
  }

  /** The first latents with four examples. */
  async function lively(view: HookedModel): Promise<number[]> {
    const { examples } = await search(view)
    return examples.filter((list) => list.length === 4).map(([example]) => example!.latent).slice(0, 4) // prettier-ignore
  }

  /** Sorted whole, as the notebooks do, and what is not above the floor left out. */
  function naive(x: number[][], options: { k: number; buffer: number; noOverlap?: boolean }, floor = 0) {
    const found = kLargestIndices(x, options).map(([row, position]) => ({ row, position, value: x[row]![position]! }))
    return found.filter(({ value }) => value > floor)
  }

  function expectExamples(result: MaxActivating, acts: number[][][], options = { k: 4, buffer: 3 }, floor = 0): void {
    result.about.latents.forEach((latent, f) => {
      const wanted = naive(acts[f]!, options, floor)
      const found = result.of(latent)
      expect(found.map(({ row, position }) => [row, position])).to.deep.equal(wanted.map(({ row, position }) => [row, position])) // prettier-ignore
      expectClose(found.map(({ activation }) => activation), wanted.map(({ value }) => value), tolerances.noise) // prettier-ignore
      for (const { row, position, start, ids, activations, latent: own, tokens } of found) {
        expect([own, start]).to.deep.equal([latent, position - options.buffer])
        expect(ids).to.deep.equal(rows[row]!.slice(start, position + options.buffer + 1))
        expect(tokens).to.deep.equal(ids.map((id) => tokenLabel(model.tokenizer, id)))
        expectClose(activations, acts[f]![row]!.slice(start, position + options.buffer + 1), tolerances.noise)
      }
    })
  }

  it('are those of the whole data, at residual streams, heads and MLPs, in batches of any size', async () => {
    for (const sae of saes) {
      const view = model.withSaes(sae)
      const name = `${sae.hookName}.hook_sae_acts_post`
      const latents = Array.from({ length: sae.config.dSae }, (_, latent) => latent)
      const acts = everything(view, name, latents)
      const all = await search(view)
      expectExamples(all, acts)
      expect(all.examples.filter((list) => list.length === 4)).to.have.length.above(20)
      expect(all.about).to.deep.include({ rows: 22, tokens: 660, sae: sae.label, hook: sae.hookName })
      for (const size of [1, 22]) {
        const again = await search(view, {}, givenRows(rows, size))
        expect(again.examples.map((list) => list.map(({ row, position }) => [row, position]))).to.deep.equal(
          all.examples.map((list) => list.map(({ row, position }) => [row, position])),
        )
      }
      const some = latents.filter((latent) => latent % 100 === 7).reverse()
      expectExamples(await search(view, { latents: some }), some.map((latent) => acts[latent]!)) // prettier-ignore
    }
  })

  it('may overlap, may be few, need no buffer, and may be pre-activations', async () => {
    const [sae] = saes
    const view = model.withSaes(sae!)
    const latents = [3, 500, 18]
    const acts = everything(view, `${sae!.hookName}.hook_sae_acts_post`, latents)
    for (const options of [
      { k: 30, buffer: 2, noOverlap: false },
      { k: 7, buffer: 0 },
      { k: 200, buffer: 1 },
    ]) {
      expectExamples(await search(view, { latents, ...options }), acts, options)
    }
    const pre = everything(view, `${sae!.hookName}.hook_sae_acts_pre`, latents)
    const negative = await search(view, { latents, point: 'hook_sae_acts_pre', k: 200 })
    expectExamples(negative, pre, { k: 200, buffer: 3 }, -Infinity)
    expect(negative.of(3).at(-1)!.activation).to.be.below(0)
  })

  it('leave tokens and padding out', async () => {
    const [sae] = saes
    const view = model.withSaes(sae!)
    const latents = [3, 18, 44]
    const plain = await search(view, { latents })
    const exclude = [...new Set(latents.flatMap((latent) => plain.of(latent).map(({ ids }) => ids[3]!)))]
    const without = await search(view, { latents, exclude })
    const acts = everything(view, `${sae!.hookName}.hook_sae_acts_post`, latents)
    expectExamples(without, acts.map((x) => x.map((row, r) => row.map((a, p) => (exclude.includes(rows[r]![p]!) ? -1 : a))))) // prettier-ignore

    const lengths = rows.map((_, r) => (r % 3 === 0 ? 30 : 12 + r))
    for (const side of ['left', 'right'] as const) {
      const padded = Tokens.padded(rows.map((row, r) => row.slice(0, lengths[r])), 0, side) // prettier-ignore
      const result = await search(view, { latents }, givenRows(padded.rows, 7, padded.mask))
      const shift = (row: number) => (side === 'left' ? 30 - Math.min(30, lengths[row]!) : 0)
      const real = acts.map((x) => x.map((row, r) => row.map((a, p) => (p + 3 < lengths[r]! ? a : -1))))
      latents.forEach((latent, f) => {
        const wanted = naive(real[f]!, { k: 4, buffer: 3 }).map(({ row, position }) => [row, position + shift(row)])
        expect(
          result.of(latent).map(({ row, position }) => [row, position]),
          side,
        ).to.deep.equal(wanted)
      })
      expect(result.about.tokens).to.equal(lengths.reduce((sum, n) => sum + Math.min(30, n), 0))
    }
  })

  it("see the view's own hooks, in the model and inside the SAE", async () => {
    const [sae] = saes
    const name = `${sae!.hookName}.hook_sae_acts_post`
    const views = [
      model.withSaes(sae!).withHooks({ 'blocks.1.hook_mlp_out': (x: tf.Tensor) => x.mul(0.5) }),
      model.withSaes(sae!).withHooks({ [sae!.hookName]: (x: tf.Tensor) => x.mul(1.5) }),
      model.withSaes(sae!).withHooks({ [name]: (x: tf.Tensor) => x.mul(tf.scalar(2)).sub(1) }),
    ]
    for (const view of views) expectExamples(await search(view, { latents: [3, 18] }), everything(view, name, [3, 18]))
  })

  it('compute nothing behind the hook point', async () => {
    let runs = 0
    for (const sae of saes) {
      const behind = { 'blocks.2.hook_attn_out': () => void runs++, 'blocks.1.hook_mlp_out': () => void runs++ }
      const view = model.withSaes(sae).withHooks(sae.hookName.startsWith('blocks.2') ? { 'blocks.2.hook_attn_out': behind['blocks.2.hook_attn_out'] } : behind) // prettier-ignore
      await search(view, { latents: [3] })
    }
    expect(runs).to.equal(0)
  })

  it('of an attention SAE are attributed to source tokens, which sum to the pre-activation', async () => {
    const sae = saes[1]!
    const view = model.withSaes(sae)
    const latents = await lively(view)
    const padded = Tokens.padded(rows.map((row, r) => row.slice(0, r % 4 === 0 ? 30 : 20)), 0, 'left') // prettier-ignore
    const result = await search(view, { latents, dfa: true, k: 5 }, givenRows(padded.rows, 6, padded.mask))
    const [W, bEnc, bDec] = [sae.W_enc.arraySync(), sae.weight<tf.Tensor1D>('b_enc').arraySync(), sae.b_dec.arraySync()]
    let seen = 0
    for (const latent of latents) {
      const offset = bEnc[latent]! - bDec.reduce((sum, b, i) => sum + b * W[i]![latent]!, 0)
      for (const { activation, row, position, dfa } of result.of(latent)) {
        expectClose([dfa!.scores.reduce((sum, s) => sum + s, offset)], [activation], tolerances.noise)
        expect(dfa!.start).to.equal(row % 4 === 0 ? 0 : 10)
        expect(dfa!.ids).to.deep.equal(padded.rows[row]!.slice(dfa!.start, position + 1))
        expect(dfa!.scores[dfa!.source - dfa!.start]).to.equal(Math.max(...dfa!.scores))
        seen++
      }
    }
    expect(seen).to.be.above(8)
    expect(JSON.parse(JSON.stringify(MaxActivating.fromJSON(JSON.parse(JSON.stringify(result)))))).to.deep.equal(JSON.parse(JSON.stringify(result))) // prettier-ignore
    expect(result.toString({ latents: latents.slice(0, 1) })).to.include('→')
  })

  it('of parts of the data merge to those of the whole, in any order', async () => {
    const view = model.withSaes(saes[0]!)
    const latents = [3, 18, 44, 500]
    const part = (begin: number, end: number): TokenData => ({
      about: { kind: 'rows', count: 22 },
      async *batches() {
        yield await Promise.resolve({ tokens: new Tokens(rows.slice(begin, end)), firstRow: begin, next: {} })
      },
    })
    const parts = [await search(view, { latents }, part(0, 5)), await search(view, { latents }, part(5, 16)), await search(view, { latents }, part(16, 22))] // prettier-ignore
    const whole = await search(view, { latents })
    const merged = parts[2]!.merge(parts[0]!).merge(parts[1]!)
    const places = (result: MaxActivating) => result.examples.map((list) => list.map(({ row, position }) => [row, position])) // prettier-ignore
    expect(places(merged)).to.deep.equal(places(whole))
    expect(merged.about).to.deep.equal(whole.about)
    const other = await search(view, { latents, k: 3 }, part(0, 5))
    expect(await refusalOf(() => merged.merge(other))).to.equal(
      'MismatchError: merge: the parts have k 4 and 3. Search all with the same settings.',
    )
  })

  it('go on where they stopped, and end as if they had not', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'max-activating-'))
    const checkpoint = join(folder, 'state.json')
    try {
      const view = model.withSaes(saes[1]!)
      const options = { latents: [5, 77, 130], dfa: true }
      const whole = await search(view, options)
      const stop = new AbortController()
      const seen: number[] = []
      const onProgress = (done: number) => {
        seen.push(done)
        if (done === 10) stop.abort(new Error('enough for today'))
      }
      const attempt = search(view, { ...options, checkpoint, signal: stop.signal, onProgress })
      expect(await attempt.then(String, (error: Error) => error.message)).to.equal('enough for today')
      const rest = await search(view, { ...options, checkpoint, onProgress: (done) => seen.push(done) })
      expect(seen).to.deep.equal([5, 10, 15, 20, 22])
      expect(JSON.stringify(rest)).to.equal(JSON.stringify(whole))
      const again = await search(view, { ...options, checkpoint, onProgress: (done) => seen.push(done) })
      expect([JSON.stringify(again), seen.length]).to.deep.equal([JSON.stringify(whole), 5])

      expect(await refusalOf(() => search(view, { ...options, checkpoint, k: 5 }))).to.equal(
        `MismatchError: maxActivating: the checkpoint '${checkpoint}' is of a job with k 4, this one has 5. Give the same settings, or another file.`,
      )
      const state = JSON.parse(await readFile(checkpoint, 'utf8')) as { top: { values: number[] } }
      state.top.values.pop()
      await writeFile(checkpoint, JSON.stringify(state))
      expect(await refusalOf(() => search(view, { ...options, checkpoint }))).to.equal(
        `FileError: maxActivating: the checkpoint '${checkpoint}' has not 12 numbers in 'values'. Remove it, or give another file.`,
      )
      await writeFile(checkpoint, '{"format":')
      expect(await refusalOf(() => search(view, { ...options, checkpoint }))).to.equal(
        `FileError: maxActivating: the checkpoint '${checkpoint}' is none that was written here. Remove it, or give another file.`,
      )
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('stop after so many rows', async () => {
    const view = model.withSaes(saes[0]!)
    const result = await search(view, { latents: [3], limit: 8 })
    expect(result.about.rows).to.equal(10)
    const acts = everything(view, `${saes[0]!.hookName}.hook_sae_acts_post`, [3], rows.slice(0, 10))
    expectExamples(result, acts)
  })

  it('are shown as text, as HTML in which tokens do nothing, and come back from JSON', async () => {
    const view = model.withSaes(saes[0]!)
    const [first, second] = await lively(view)
    const result = await search(view, { latents: [first!, second!] })
    const text = result.toString({ latents: [first!], limit: 2 })
    expect(text.split('\n')).to.have.length(3)
    expect(text).to.match(/latent \d+, largest activation \d+\.\d{3}/)
    const back = MaxActivating.fromJSON(JSON.parse(JSON.stringify(result)))
    expect(back.toString()).to.equal(result.toString())
    expect(back.about).to.deep.equal(result.about)
    expect(result.provenance).to.include({ model: 'pocket-gpt2' })
    expect(result.provenance.saes).to.deep.equal([labels[0]])

    const bad = '<img src=x onerror=alert(1)>"\u202e'
    const hostile = new MaxActivating(
      result.about,
      result.examples.map((list) => list.map((example) => ({ ...example, tokens: example.tokens.map(() => bad) }))),
      result.provenance,
    )
    for (const html of [hostile.toHtml(), await renderPage(hostile.toPage())]) {
      expect(html).to.include('&lt;img src=x onerror=alert(1)&gt;&quot;\\u202e').and.not.include('<img')
    }
    expect(await renderPage(result.toPage())).to.match(/<span title="[\d.]+" style="background:rgba\(44,160,44,0\.650\)"><b><u>/) // prettier-ignore
    expect(await refusalOf(() => result.of(-1))).to.equal(
      `ArgumentError: of: latent -1 was not searched. 2 were: ${first}, ${second}.`,
    )
    expect(await refusalOf(() => MaxActivating.fromJSON({ ...result.toJSON(), examples: [[{}]] }))).to.match(
      /^FileError: fromJSON: field 'examples\.0\.0\.\w+' is wrong .* It must be what MaxActivating\.toJSON wrote, version 1\.$/,
    )
  })

  it('refuse what they cannot do, before any run', async () => {
    const never: TokenData = {
      about: {},
      // eslint-disable-next-line require-yield
      async *batches() {
        await Promise.reject(new Error('it was read'))
      },
    }
    const view = model.withSaes(saes[0]!)
    const attempt = (options: object, on = view) => refusalOf(() => search(on, options as MaxActivatingOptions, never))
    expect(await attempt({ k: 0 })).to.equal('ArgumentError: maxActivating: k is 0. It must be a whole number, at least 1.') // prettier-ignore
    expect(await attempt({ buffer: -1 })).to.include('maxActivating: buffer is -1. It must be')
    expect(await attempt({ latents: [] })).to.equal(
      'ArgumentError: maxActivating: latents is []. Give a list of at least one, or none for all.',
    )
    expect(await attempt({ latents: [768] })).to.include('latent 768: the SAE')
    expect(await attempt({ latents: [3, 4, 3] })).to.equal('ArgumentError: maxActivating: latent 3 is listed twice. Give each once.') // prettier-ignore
    expect(await attempt({ point: 'hook_sae_input' })).to.equal(
      "ArgumentError: maxActivating: point is 'hook_sae_input'. It must be 'hook_sae_acts_post' or 'hook_sae_acts_pre'.",
    )
    expect(await attempt({ exclude: 'BOS' })).to.equal(
      "ArgumentError: maxActivating: exclude is \"BOS\". It must be 'none', 'bos', 'special' or a list of token ids.",
    )
    expect(await attempt({ limit: 0 })).to.equal(
      'ArgumentError: maxActivating: limit is 0. It must be a whole number of rows, at least 1.',
    )
    expect(await attempt({ dfa: true })).to.equal(
      `MismatchError: maxActivating: the SAE '${labels[0]}' reads blocks.2.hook_resid_pre. Attribution by source token needs an SAE of attn.hook_z.`,
    )
    expect(await attempt({ hook: 'blocks.2.hook_resid_post' })).to.include("Did you mean 'blocks.2.hook_resid_pre'?")
    expect(await attempt({}, model)).to.include('The view has no SAE: attach one with withSaes.')
    expect(await refusalOf(() => search(view, { buffer: 15 }))).to.equal(
      'ArgumentError: maxActivating: a buffer of 15 leaves nothing of rows of 30 tokens. It must be below 15.',
    )
    expect(await refusalOf(() => search(view, {}, givenRows([[...rows[0]!, 9999]], 1)))).to.include('9999')
  })
})
