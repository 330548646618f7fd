/** Training: what is learnt, how it moves, that it is the same each time and after an interruption, and what is refused. */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import type { ActivationData } from '../../lib/data/activation-data.js'
import { Result } from '../../lib/report/result/result.js'
import type { HookedModel } from '../../lib/model.js'
import { random } from '../../lib/stats/random.js'
import { loadModel } from '../../models/load-model.js'
import { loadSae } from '../../saes/load-sae.js'
import {
  saveSae,
  TrainingHistory,
  type Sae,
  type TrainedSae,
  type TrainingJobOptions,
  type TrainingOptions,
} from '../../saes/index.js'
import { trainSae } from '../../saes/train-sae.js'
import { expectClose, tolerances } from '../support/close.js'
import { refusalOf } from '../support/refusal.js'
import { rowsOf } from '../support/saes.js'
import { tinyConfig, tinyFiles } from '../support/tiny-gpt2.js'
import { rowsData } from '../support/token-rows.js'
import { withFolder } from '../support/weight-files.js'

const hook = 'blocks.1.hook_resid_pre'
const quiet = { onProgress: false } as const
/** What each kind needs to know to be trained on the tiny model. */
const kinds: Record<string, object> = {
  standard: { architecture: 'standard', targetL0: 4 },
  topk: { architecture: 'topk', k: 4, deadAfter: 4 },
  batchtopk: { architecture: 'batchtopk', k: 4, deadAfter: 4 },
  jumprelu: { architecture: 'jumprelu', targetL0: 4, preActivation: 0.1, deadAfter: 4 },
}

describe('trainSae', () => {
  let model: HookedModel
  let folder: string

  before(async () => {
    await withFolder(tinyFiles(), async (files) => {
      model = await loadModel(files)
      await model.provenance() // reads the files, which are gone afterwards
    })
    folder = await mkdtemp(join(tmpdir(), 'tfjs-lens-training-'))
  })
  after(async () => {
    model.dispose()
    await rm(folder, { recursive: true, force: true })
  })

  const { integer } = random(3)
  const rows = Array.from({ length: 24 }, () => Array.from({ length: 8 }, () => integer(tinyConfig.vocab_size)))
  const data = rowsData(rows, 4)
  const small = { hook, dSae: 24, batchSize: 16, bufferRows: 64, steps: 40, startBatches: 2, logEvery: 5 }
  const train = (config: object, options: TrainingJobOptions = quiet, of = data) =>
    trainSae(model, of, { ...small, ...config, ...quiet, ...options } as TrainingOptions)

  function weightsOf(sae: Sae): Record<string, Float32Array> {
    return Object.fromEntries(
      Object.keys(sae.weightShapes()).map((name) => [name, sae.weight(name).dataSync() as Float32Array]),
    )
  }

  /** Bit for bit. */
  function expectSame(a: TrainedSae, b: TrainedSae): void {
    expect(weightsOf(a.sae)).to.deep.equal(weightsOf(b.sae))
    expect(a.sae.logSparsity).to.deep.equal(b.sae.logSparsity)
    expect(a.history.toJSON()).to.deep.equal(b.history.toJSON())
    expect(a.sae.config).to.deep.equal(b.sae.config)
  }

  const disposed = (...trained: TrainedSae[]) => trained.forEach(({ sae }) => sae.dispose())

  describe('on inputs made of known directions', () => {
    const [width, count] = [20, 28] // as wide as the tiny model's MLP
    let directions: number[][]

    before(() => {
      const { normal } = random(11)
      directions = Array.from({ length: count }, () => {
        const row = Array.from({ length: width }, () => normal())
        const norm = Math.hypot(...row)
        return row.map((value) => value / norm)
      })
    })

    /** Each input is the sum of two or three directions, each 0.5 to 1.5 times. */
    const sums: ActivationData = {
      width,
      about: { source: 'known directions' },
      async *batches(from) {
        for (let batch = Number(from?.['batch'] ?? 0); ; batch++) {
          const draw = random(batch)
          const values = Array.from({ length: 128 }, () => {
            const parts = draw.sample(directions, 2 + draw.integer(2)).map((row) => [row, 0.5 + draw.next()] as const)
            return Array.from({ length: width }, (_, d) => parts.reduce((sum, [row, by]) => sum + by * row[d]!, 0))
          })
          yield { rows: tf.tensor2d(values), next: { batch: batch + 1 } }
        }
      },
    }

    for (const [kind, options] of Object.entries({
      standard: { sparsity: 1 },
      topk: { k: 3 },
      batchtopk: { k: 3 },
      jumprelu: { sparsity: 1, initialThreshold: 0.3 },
    })) {
      it(`finds them (${kind})`, async () => {
        const config = { hook: 'blocks.0.mlp.hook_post', architecture: kind, dSae: 40, steps: 600, learningRate: 4e-3 }
        const { sae, history } = await trainSae(model, sums, { ...config, ...options, ...quiet } as TrainingOptions)
        const found = rowsOf(sae.W_dec)
        const best = directions.map((row) => Math.max(...found.map((other) => cosine(row, other))))
        expect(best.reduce((a, b) => a + b) / count, 'mean best cosine').to.be.above(0.9)
        expect(history.at('explainedVariance', -1)).to.be.above(0.9)
        expect(history.at('l0', -1)).to.be.within(2, 7)
        sae.dispose()
      })
    }
  })

  describe('on a model', () => {
    for (const [kind, options] of Object.entries(kinds)) {
      it(`goes on after an interruption as if there had been none, bit for bit (${kind})`, async () => {
        const whole = await train(options)
        const kept = { checkpoint: join(folder, kind), checkpointEvery: 10 }
        const stop = new AbortController()
        const onProgress = (done: number) => done === 25 && stop.abort(new Error('stopped'))
        await train(options, { ...kept, signal: stop.signal, onProgress }).then(
          () => expect.fail('it was not stopped'),
          (error: Error) => expect(error.message).to.equal('stopped'),
        )
        expect(await readdir(kept.checkpoint)).to.deep.equal(['training.safetensors'])
        const more: number[][] = []
        const resumed = await train(options, {
          ...kept,
          onProgress: (done, total, entry) => more.push([done, total, entry.step]),
        })
        expect(more).to.deep.equal([30, 35, 40].map((step) => [step, 40, step]))
        expectSame(resumed, whole)
        const again = await train(options, kept) // it is finished: nothing is left to train
        expectSame(again, whole)
        disposed(whole, resumed, again)
      })
    }

    it('goes on from the last checkpoint when it was killed in between', async () => {
      const whole = await train({})
      const kept = { checkpoint: join(folder, 'killed'), checkpointEvery: 10 }
      const killed = refusalOfAny(() =>
        train(
          {},
          {
            ...kept,
            onProgress: (done) => {
              if (done === 25) throw new Error('killed')
            },
          },
        ),
      )
      expect(await killed).to.equal('killed')
      const more: number[] = []
      const resumed = await train({}, { ...kept, onProgress: (done) => more.push(done) })
      expect(more[0], 'from step 20').to.equal(25)
      expectSame(resumed, whole)
      disposed(whole, resumed)
    })

    it('follows from its seed', async () => {
      const [one, same, other] = [await train({ seed: 5 }), await train({ seed: 5 }), await train({ seed: 6 })]
      expectSame(one, same)
      expect(weightsOf(other.sae)['W_enc']).to.not.deep.equal(weightsOf(one.sae)['W_enc'])
      disposed(one, same, other)
    })

    it('learns: loss and error fall, what is explained grows', async () => {
      const { sae, history } = await train({ steps: 400, learningRate: 5e-3, sparsityWarmUp: 0 })
      const [first, last] = [0, -1].map((entry) => (name: string) => history.at(name, entry)) as [
        (name: string) => number,
        (name: string) => number,
      ]
      expect(last('loss')).to.be.below(first('loss') / 1.5)
      expect(last('mse')).to.be.below(first('mse') / 3)
      expect(last('explainedVariance')).to.be.above(0.75)
      expect(last('learningRate')).to.be.below(1e-3)
      sae.dispose()
    })

    it('is steered to a wanted L0', async () => {
      for (const architecture of ['standard', 'jumprelu']) {
        const { sae, history } = await train({ architecture, steps: 800, targetL0: 3, learningRate: 5e-3 })
        expect(Math.max(...history.select('quantity', 'l0').values), 'before').to.be.above(6)
        expect(history.at('l0', '560'), 'when steering ends').to.be.within(2, 4)
        expect(history.at('sparsity', '560')).to.not.equal(1)
        expect(history.at('sparsity', -1), 'then it stays').to.equal(history.at('sparsity', '560'))
        sae.dispose()
      }
    })

    it('kills latents with too much sparsity, and wakes them by resampling', async () => {
      const config = { steps: 300, sparsity: 40, sparsityWarmUp: 10, deadAfter: 20, learningRate: 1e-2 }
      const dead = await train({ ...config, resampleAt: [] })
      expect(dead.history.at('dead', -1)).to.be.above(12)
      expect(dead.sae.logSparsity!.filter((value) => value === -10).length).to.be.above(12)
      const woken = await train({ ...config, resampleAt: [200] })
      const at = (step: string) => woken.history.at('dead', step)
      expect(at('200')).to.be.above(12)
      expect(at('205')).to.equal(0)
      disposed(dead, woken)
    })

    it('gives an SAE that takes activations as they are, with decoder rows of norm 1', async () => {
      for (const [kind, options] of Object.entries(kinds)) {
        const { sae } = await train({ ...options, resampleAt: [], steps: 60 })
        const plain = await train({ ...options, resampleAt: [], steps: 60, normalize: false })
        expect(sae.config.architecture).to.equal(kind === 'batchtopk' ? 'jumprelu' : kind)
        expect(sae.config).to.include({ hookName: hook, dIn: 12, dSae: 24, normalization: 'none', flattenHeads: false })
        const norms = rowsOf(sae.W_dec).map((row) => Math.hypot(...row))
        expectClose(
          norms,
          norms.map(() => 1),
          tolerances.layer,
          kind,
        )
        expect(weightsOf(plain.sae)['b_dec'], 'another training').to.not.deep.equal(weightsOf(sae)['b_dec'])
        sae.dispose()
        disposed(plain)
      }
    })

    it('is what it was in training: the last steps and the SAE agree', async () => {
      // one batch, again and again, so that the last entry is of the very inputs
      const one = rowsData(rows.slice(0, 4), 4)
      for (const [kind, options] of Object.entries(kinds)) {
        const config = { ...options, batchSize: 32, bufferRows: 32, steps: 80, logEvery: 1, learningRateDecay: 40 }
        const { sae, history } = await train(config, quiet, one)
        using cache = model.runWithCache(rows.slice(0, 4), { names: hook, logits: false })
        tf.tidy(() => {
          const x = cache.get(hook).reshape<tf.Tensor2D>([32, 12])
          const acts = sae.encode(x)
          const l0 = acts.greater(0).sum().dataSync()[0]! / 32
          const error = x.sub(sae.decode(acts)).square().sum().dataSync()[0]!
          const explained = 1 - error / x.sub(x.mean(0)).square().sum().dataSync()[0]!
          // batch top-k gets a threshold in place of its batch: about as many fire
          const [within, near] = kind === 'batchtopk' ? [1, 0.1] : [0.1, 2e-3]
          expectClose([l0], [history.at('l0', -1)], within, `${kind} L0`)
          expectClose([explained], [history.at('explainedVariance', -1)], near, `${kind} explained variance`)
        })
        sae.dispose()
      }
    })

    it('reads heads flattened, from data that is read again when it ends', async () => {
      const { sae } = await train({ hook: 'blocks.0.attn.hook_z', dSae: 16 })
      expect(sae.config).to.include({ dIn: 12, flattenHeads: true })
      const view = model.withSaes(sae)
      view.run([[1, 2, 3]]).dispose()
      sae.dispose()
    })

    it('can be saved and loaded', async () => {
      for (const [kind, options] of Object.entries(kinds)) {
        const { sae } = await train(options)
        await saveSae(sae, join(folder, `saved-${kind}`))
        using loaded = await loadSae(join(folder, `saved-${kind}`))
        expect(weightsOf(loaded)).to.deep.equal(weightsOf(sae))
        expect(loaded.logSparsity).to.deep.equal(sae.logSparsity)
        const { metadata: _, ...config } = loaded.config
        expect(config).to.deep.include(sae.config)
        sae.dispose()
      }
    })

    it('tells its course as a result and a figure', async () => {
      const { sae, history } = await train({})
      sae.dispose()
      expect(history.shape).to.deep.equal([7, 8])
      expect(history.provenance).to.deep.include({ model: model.name, seed: 0 })
      expect([history.hook, history.config['dSae'], history.data]).to.deep.equal([hook, 24, data.about])
      const json: unknown = JSON.parse(JSON.stringify(history))
      expect(Result.fromJSON(json).toJSON()).to.deep.equal(history.toJSON())
      expect(TrainingHistory.fromJSON(json).toJSON()).to.deep.equal(history.toJSON())
      expect(history.plot().data.map((trace) => trace['name'])).to.deep.equal(['loss', 'mse'])
      const figure = TrainingHistory.fromJSON(json).plot(['l0', 'dead'])
      expect(figure.data.map((trace) => trace['name'])).to.deep.equal(['l0', 'dead'])
      expect(figure.data[0]!['x']).to.deep.equal([5, 10, 15, 20, 25, 30, 35, 40])
      expect(() => history.plot(['l1' as 'l0'])).to.throw(
        "plot: there is no 'l1'. A training has loss, mse, explainedVariance, l0, dead, sparsity, learningRate. Did you mean 'l0'?",
      )
      expect(() => TrainingHistory.fromJSON({ ...history.toJSON(), extra: {} })).to.throw("field 'extra.hook' is wrong")
    })
  })

  describe('refuses', () => {
    const cases: [string, object, string][] = [
      [
        'an unknown option',
        { learnRate: 1 },
        "ArgumentError: trainSae: there is no option 'learnRate'. Did you mean 'learningRate'?",
      ],
      [
        'an unknown kind',
        { architecture: 'topkk' },
        "ArgumentError: trainSae: architecture is 'topkk'. It must be 'standard' or 'topk' or 'batchtopk' or 'jumprelu'. Did you mean 'topk'?",
      ],
      [
        'a number that is none',
        { steps: 0 },
        'ArgumentError: trainSae: steps is 0. It must be a whole number from 1 up.',
      ],
      [
        'a missing number',
        { dSae: undefined },
        'ArgumentError: trainSae: dSae is undefined. It must be a whole number from 1 up.',
      ],
      [
        'an option of another kind',
        { bandwidth: 1 },
        "ArgumentError: trainSae: bandwidth is an option of jumprelu SAEs. Leave it out for 'standard'.",
      ],
      [
        'top-k without k',
        { architecture: 'topk' },
        'ArgumentError: trainSae: k is undefined. A topk SAE of 24 latents needs a whole number from 1 to 24.',
      ],
      [
        'a k above the latents',
        { architecture: 'topk', k: 25 },
        'ArgumentError: trainSae: k is 25. A topk SAE of 24 latents needs a whole number from 1 to 24.',
      ],
      ['a share', { beta1: 1 }, 'ArgumentError: trainSae: beta1 is 1. It must be a number from 0 to below 1.'],
      [
        'an unknown hook point',
        { hook: 'blocks.1.hook_resid_pro' },
        "HookError: trainSae: no hook point 'blocks.1.hook_resid_pro' in",
      ],
    ]
    for (const [what, config, message] of cases) {
      it(what, async () => {
        const said = await refusalOf(() => train(config))
        expect(said.slice(0, message.length)).to.equal(message)
      })
    }

    it('checkpoints that are none', async () => {
      expect(await refusalOf(() => train({}, { checkpoint: '' }))).to.equal(
        'ArgumentError: trainSae: checkpoint is "". Name a folder to write to.',
      )
      expect(await refusalOf(() => train({}, { checkpoint: folder, checkpointEvery: 0 }))).to.equal(
        'ArgumentError: trainSae: checkpointEvery is 0. It must be a whole number of steps from 1 up.',
      )
    })

    it('a checkpoint of another training, or a damaged one', async () => {
      const checkpoint = join(folder, 'other')
      disposed(await train({}, { checkpoint, checkpointEvery: 20 }))
      expect(await refusalOf(() => train({ dSae: 25 }, { checkpoint }))).to.equal(
        `MismatchError: trainSae: '${checkpoint}' holds a training with dSae 24, not 25. Continue with what it began with, or name another folder.`,
      )
      const of = { ...data, about: { source: 'elsewhere' } }
      expect(await refusalOf(() => train({}, { checkpoint }, of))).to.equal(
        `MismatchError: trainSae: '${checkpoint}' holds a training with other data. Continue with what it began with, or name another folder.`,
      )
      await writeFile(join(checkpoint, 'training.safetensors'), 'nothing')
      expect(await refusalOf(() => train({}, { checkpoint }))).to.match(/^FileError: open .*training\.safetensors/)
    })

    it('activations of another hook point, and options they have no use for', async () => {
      const rows = async function* () {
        yield { rows: tf.zeros<tf.Rank.R2>([4, 12]), next: {} }
      }
      const activations = { width: 12, about: { hook: 'blocks.0.hook_resid_pre' }, batches: rows }
      const config = { hook, dSae: 24, steps: 10 }
      expect(await refusalOf(() => trainSae(model, activations, config))).to.equal(
        `MismatchError: trainSae: the data has activations of 'blocks.0.hook_resid_pre' with 12 numbers, and ${hook} of ${model.name} has 12. Use data of that hook point.`,
      )
      expect(await refusalOf(() => trainSae(model, activations, { ...config, batchSize: 8 }))).to.equal(
        'ArgumentError: trainSae: batchSize is for data of tokens, and this is activations, which come in batches of their own. Leave it out.',
      )
      const zeros = { ...activations, about: {} }
      expect(await refusalOf(() => trainSae(model, zeros, config))).to.equal(
        'FileError: trainSae: the activations have a mean norm of 0. Give data whose activations are finite and not all 0.',
      )
    })

    it('to go on with a loss that is no number', async () => {
      expect(await refusalOf(() => train({ learningRate: 1e30, learningRateWarmUp: 0 }))).to.match(
        /^ArgumentError: trainSae: the loss of step \d+ is (NaN|Infinity)\. Take a lower learningRate or more learningRateWarmUp\.$/,
      )
    })
  })
})

/** The message of any error. */
async function refusalOfAny(call: () => Promise<unknown>): Promise<string> {
  return call().then(
    () => expect.fail('no error was thrown'),
    (error: Error) => error.message,
  )
}

function cosine(a: readonly number[], b: readonly number[]): number {
  const dot = a.reduce((sum, value, i) => sum + value * b[i]!, 0)
  return dot / (Math.hypot(...a) * Math.hypot(...b))
}
