/** The scripts of docs/examples run and find what they say; the plugin's numbers obey the laws of a logit lens. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { loadModel, logProb, type HookedModel } from 'tfjs-lens'
import { logitLens } from 'tfjs-lens-plugin-logit-lens'
import { runPrograms, type Run } from '../support/programs.js'

describe('the scripts of docs/examples', function () {
  this.timeout(120_000)

  let runs: Record<string, Run>

  before(async () => {
    const names = ['find-name-movers', 'latent-effects']
    const files = names.map((name) => fileURLToPath(new URL(`../../docs/examples/${name}.ts`, import.meta.url)))
    const done = await runPrograms(files)
    runs = Object.fromEntries(names.map((name, i) => [name, done[i]!]))
  })

  /** What a script printed, after a run that ended well and left no tensor. */
  function printedBy(script: string): string {
    const { printed, end } = runs[script]!
    expect(end).to.equal('ok')
    return printed
  }

  it('find-name-movers finds the head and the positions that carry the name', () => {
    const printed = printedBy('find-name-movers')
    const [, difference] = /logit difference (\S+), of which/.exec(printed)!
    const [, corrupted] = /corrupted logit difference (\S+), restored/.exec(printed)!
    expect(Number(difference)).to.be.greaterThan(8) // models/pocket/CARD.md: 10.4 on average
    expect(Number(corrupted)).to.be.lessThan(-8)
    const [head, effect] = /by single heads\n\s+(.*?)\s+(\S+)$/m.exec(printed)!.slice(1)
    expect(head).to.equal('layer 0, H7')
    expect(Number(effect)).to.be.greaterThan(15)
    expect(printed).to.match(/layer 3, 21 to/)
  })

  it('latent-effects finds gradients and ablations in agreement', () => {
    const printed = printedBy('latent-effects')
    expect(printed.match(/│ latent \d+/g)).to.have.length(12)
    expect(Number(/correlation (\S+)/.exec(printed)![1])).to.be.greaterThan(0.95)
  })
})

describe('the example plugin', () => {
  const prompts = [
    'Carl and Eva were good friends. When Carl and Eva went to the hill, Eva gave a stone to',
    'Kate and Emma were good friends. Kate gave a hat to',
  ]
  const answer = [' Carl', ' Emma']

  /** log p(answer) as the model itself computes it. */
  async function ownAnswer(view: HookedModel, texts: readonly string[], answers: readonly string[]): Promise<number[]> {
    const values: number[] = []
    for (const [i, text] of texts.entries()) {
      const tokens = view.toTokens(text)
      const metric = view.bindMetric(logProb(answers[i]!), tokens)
      const value = tf.tidy(() => metric(view.run(tokens)))
      values.push((await value.data())[0]!)
      value.dispose()
    }
    return values
  }

  // float32 through two paths of the same products: they agree to about 1e-5
  const tolerance = 1e-4

  for (const process of [true, false]) {
    it(`ends with the model's own answer, with process: ${process}`, async () => {
      using model = await loadModel('pocket-gpt2', { process })
      const lens = await model.use({ logitLens }).logitLens(prompts, { answer })
      expect(lens.shape).to.deep.equal([5, 2])
      expect(lens.axes[0]!.labels).to.deep.equal(['0_pre', '1_pre', '2_pre', '3_pre', 'final_post'])
      const own = await ownAnswer(model, prompts, answer)
      own.forEach((value, b) => expect(lens.at('final_post', b)).to.be.closeTo(value, tolerance))
    })
  }

  it('shows at each layer what a model says whose later blocks write nothing', async () => {
    using model = await loadModel()
    const lens = await logitLens(model, prompts, { answer })
    const nothing = (x: tf.Tensor) => tf.zerosLike(x)
    for (const layer of [1, 3]) {
      const late = new RegExp(`^blocks\\.[${layer}-3]\\.hook_(attn|mlp)_out$`)
      const own = await ownAnswer(model.withHooks([[late, nothing]]), prompts, answer)
      own.forEach((value, b) => expect(lens.at(`${layer}_pre`, b)).to.be.closeTo(value, tolerance))
    }
  })

  it('reads the view it is called on', async () => {
    using model = await loadModel()
    const m = model.use({ logitLens }).withHooks({ 'blocks.3.hook_mlp_out': (x: tf.Tensor) => tf.zerosLike(x) })
    const lens = await m.logitLens(prompts, { answer })
    expect(lens.provenance.hooks).to.deep.equal(['blocks.3.hook_mlp_out'])
    const own = await ownAnswer(m, prompts, answer)
    own.forEach((value, b) => expect(lens.at('final_post', b)).to.be.closeTo(value, tolerance))
  })

  it('refuses tokens padded on the right, where the last position is no prompt’s end', async () => {
    using model = await loadModel()
    const message = "logitLens: the tokens are padded on the right. Make them with paddingSide: 'left'."
    const error = await logitLens(model, model.toTokens(prompts), { answer }).catch(String)
    expect(error).to.equal(`ArgumentError: ${message}`)
  })

  it('is a package that leaves tfjs-lens and tfjs to its user', () => {
    const path = new URL('../../docs/examples/plugin-logit-lens/package.json', import.meta.url)
    const manifest = JSON.parse(readFileSync(path, 'utf8')) as Record<string, Record<string, string>>
    const ours = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
    expect(manifest['name']).to.match(/^tfjs-lens-plugin-/)
    expect(manifest['dependencies']).to.equal(undefined)
    expect(manifest['peerDependencies']).to.have.all.keys('tfjs-lens', '@tensorflow/tfjs')
    expect(manifest['peerDependencies']!['tfjs-lens']).to.equal(`^${ours.version}`)
  })
})
