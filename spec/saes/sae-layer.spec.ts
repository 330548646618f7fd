/** SAEs as tf.layers Layers: called, saved, loaded, trained and disposed like any other. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { ArgumentError, ShapeError } from '../../lib/errors/errors.js'
import { silent } from '../../lib/core/hooks.js'
import type { HookedModel } from '../../lib/model.js'
import { StandardSae, type Sae, type SaeConfig } from '../../saes/index.js'
import { expectClose, maxDifference, tolerances } from '../support/close.js'
import { pocket } from '../support/pocket.js'
import { embeddedSae, plainPass, randomSae, randomTensor, rowsOf, smallConfig } from '../support/saes.js'

/** What a save handler is given. */
async function saved(model: tf.LayersModel): Promise<tf.io.ModelArtifacts> {
  let artifacts: tf.io.ModelArtifacts | undefined
  const modelArtifactsInfo = { dateSaved: new Date(0), modelTopologyType: 'JSON' as const }
  await model.save(
    tf.io.withSaveHandler(async (given) => {
      artifacts = given
      return { modelArtifactsInfo }
    }),
  )
  return artifacts!
}

/** A model of layers in a row. */
function chain(shape: number[], ...layers: tf.layers.Layer[]): tf.LayersModel {
  const input = tf.input({ shape })
  const output = layers.reduce((x, layer) => layer.apply(x) as tf.SymbolicTensor, input)
  return tf.model({ inputs: input, outputs: output })
}

/** Mean squared error of a reconstruction. */
const mse = (sae: Sae, x: tf.Tensor) => sae.call(x).sub(x).square().mean() as tf.Scalar

describe('Sae, as a layer', () => {
  let model: HookedModel
  before(async () => {
    model = await pocket()
  })

  it('applied to a tensor gives the reconstruction', () => {
    for (const fields of [{}, { applyBDecToInput: false }, { hasScalingFactor: true }] as Partial<SaeConfig>[]) {
      using sae = randomSae(fields)
      const x = randomTensor([2, 3, 8], 9)
      const y = sae.apply(x) as tf.Tensor
      expect(y.shape).to.deep.equal([2, 3, 8])
      const expected = rowsOf(x).flatMap((row) => plainPass(sae, row).recons)
      expectClose(y, expected, tolerances.layer, JSON.stringify(fields))
      tf.dispose([x, y])
    }
  })

  it('has a place in a tf.LayersModel and its summary', async () => {
    const sae = await embeddedSae('pocket-res/blocks.2.hook_resid_pre')
    const whole = chain([22, 128], sae)
    const lines: string[] = []
    whole.summary(undefined, undefined, (line) => lines.push(String(line)))
    const row = lines.find((line) => line.includes('StandardSae'))
    expect(row)
      .to.include('[null,22,128]')
      .and.to.include(String(128 * 768 * 2 + 768 + 128))
    expect(lines.join('\n')).to.include('Trainable params: 197504')

    using cache = model.runWithCache([[0, 5, 6]], { names: 'blocks.2.hook_resid_pre' })
    const x = cache.get('blocks.2.hook_resid_pre')
    const predicted = sae.apply(x) as tf.Tensor
    const encoded = sae.encode(x)
    const decoded = sae.decode(encoded)
    expectClose(predicted, decoded, tolerances.layer)
    tf.dispose([predicted, encoded, decoded])
    whole.dispose()
  })

  it('comes back from a saved model with the same output to the last bit', async () => {
    const cases: [number[], Sae[]][] = [
      [[128], [await embeddedSae('pocket-res/blocks.2.hook_resid_pre')]],
      [[8, 16], [await embeddedSae('pocket-z/blocks.1.hook_z')]],
      [
        [3, 8],
        [
          randomSae({ normalization: 'layer_norm' }),
          randomSae({ hasScalingFactor: true, modelName: 'GPT_2-Small' }, 3),
        ],
      ],
    ]
    for (const [shape, saes] of cases) {
      const whole = chain(shape, ...saes)
      const x = randomTensor([4, ...shape], 2)
      const before = whole.predict(x) as tf.Tensor
      const artifacts = await saved(whole)
      const cfgs = saes.map((sae) => sae.config)
      whole.dispose()
      const back = await tf.loadLayersModel(tf.io.fromMemory(artifacts))
      const after = back.predict(x) as tf.Tensor
      expectClose(after, before, 0, `${shape}`)
      const layers = back.layers.slice(1) as Sae[]
      expect(layers.map((layer) => layer.config)).to.deep.equal(cfgs)
      for (const layer of layers) expect(layer).to.be.instanceOf(StandardSae)
      tf.dispose([x, before, after])
      back.dispose()
    }
  })

  it('can be attached to a language model when it comes back', async () => {
    const sae = await embeddedSae('pocket-z/blocks.1.hook_z')
    const whole = chain([8, 16], sae)
    const back = await tf.loadLayersModel(tf.io.fromMemory(await saved(whole)))
    const layer = back.layers[1] as Sae
    expect(layer.label).to.equal('pocket-z/blocks.1.hook_z')
    const logits = [sae, layer].map((each) => model.withSaes(each).run([[0, 5, 6]]))
    expectClose(logits[1]!, logits[0]!, 0)
    tf.dispose(logits)
    whole.dispose()
    back.dispose()
  })

  it('keeps its config, name and whether it is trainable through getConfig', () => {
    const config = smallConfig({ hookName: 'blocks.0.mlp.hook_post', processing: { foldLn: true }, modelName: 'gpt2' })
    using sae = new StandardSae({ config, label: 'mine', name: 'the_sae' })
    const plain = JSON.parse(JSON.stringify(sae.getConfig())) as tf.serialization.ConfigDict
    using back = StandardSae.fromConfig(StandardSae as never, plain) as StandardSae
    expect(back).to.be.instanceOf(StandardSae)
    expect(back.config).to.deep.equal(config)
    expect([back.label, back.name, back.trainable]).to.deep.equal(['mine', 'the_sae', true])
    sae.trainable = false
    using frozen = StandardSae.fromConfig(StandardSae as never, sae.getConfig()) as StandardSae
    expect(frozen.trainable).to.equal(false)
    expect(frozen.trainableWeights).to.deep.equal([])
  })

  it('learns by a tf optimizer, and its frozen path computes with what it learnt', () => {
    using sae = randomSae({ dSae: 16 }, 4)
    const x = sparseData(64)
    const probe = randomTensor([1, 8], 30)
    const gradient = () => tf.tidy(() => tf.grad((input: tf.Tensor) => sae.splice().apply(input, silent).sum())(probe))
    const gradientBefore = gradient() // keeps transposes of the weights, which training must not leave behind
    const weightsBefore = Object.keys(sae.weightShapes()).map((name) => sae.weight(name).clone())
    const count = tf.memory().numTensors
    const error = () => tf.tidy(() => mse(sae, x)).dataSync()[0]!
    const errorBefore = tf.tidy(error)
    const optimizer = tf.train.adam(0.03)
    for (let step = 0; step < 60; step++) optimizer.minimize(() => mse(sae, x))
    optimizer.dispose()
    expect(tf.tidy(error)).to.be.below(0.2 * errorBefore)
    Object.keys(sae.weightShapes()).forEach((name, i) => {
      expect(maxDifference(sae.weight(name), weightsBefore[i]!), name).to.be.above(1e-3)
    })
    const encoded = sae.encode(x)
    expectClose(
      encoded,
      rowsOf(x).flatMap((row) => plainPass(sae, row).acts),
      tolerances.layer,
      'encode',
    )
    const gradientAfter = gradient()
    const trainable = tf.tidy(() => tf.grad((input: tf.Tensor) => sae.call(input).sum())(probe))
    expectClose(gradientAfter, trainable, tolerances.layer, 'the frozen gradient')
    expect(maxDifference(gradientAfter, gradientBefore)).to.be.above(1e-2)
    tf.dispose([encoded, gradientAfter, trainable])
    expect(tf.memory().numTensors - count, 'tensors that training left').to.equal(0)
    tf.dispose([x, probe, gradientBefore, weightsBefore])
  })

  it('has gradients to all its weights as finite differences give them', () => {
    using sae = randomSae({ hasScalingFactor: true }, 6)
    const x = randomTensor([1, 8], 8)
    const { value, grads } = tf.variableGrads(() => mse(sae, x))
    const names = Object.keys(sae.weightShapes())
    expect(Object.keys(grads)).to.have.length(names.length)
    for (const name of names) {
      const variable = sae.weight<tf.Variable>(name)
      const found = grads[variable.name]!.dataSync() as Float32Array
      const values = variable.dataSync()
      const entry = found.indexOf(found.reduce((most, v) => (Math.abs(v) > Math.abs(most) ? v : most), 0))
      const errorWith = (by: number) => {
        const moved = tf.tensor(
          values.map((v, i) => (i === entry ? v + by : v)),
          variable.shape,
        )
        variable.assign(moved)
        moved.dispose()
        const [row] = rowsOf(x)
        const squares = plainPass(sae, row!).recons.map((v, i) => (v - row![i]!) ** 2)
        return squares.reduce((sum, v) => sum + v, 0) / squares.length
      }
      const step = 2 ** -7 // the weights are float32 in between, so no smaller
      const slope = (errorWith(step) - errorWith(-step)) / (2 * step)
      errorWith(0)
      // a central difference is off by step² · third derivative / 6 (an error that is quartic at most in one weight)
      expect(found[entry], name).to.be.closeTo(slope, 1e-3 + 1e-3 * Math.abs(slope))
    }
    tf.dispose([x, value, grads])
  })

  it('is fitted by a tf.LayersModel', async () => {
    const sae = randomSae({ dSae: 16 }, 4)
    const x = sparseData(32)
    const whole = chain([8], sae)
    whole.compile({ optimizer: tf.train.adam(0.03), loss: 'meanSquaredError' })
    const { history } = await whole.fit(x, x, { epochs: 20, batchSize: 32, verbose: 0 })
    const losses = history['loss'] as number[]
    expect(losses.at(-1)!).to.be.below(0.5 * losses[0]!)
    expectClose(sae.W_dec, (whole.getWeights()[2] as tf.Tensor2D).dataSync(), 0)
    whole.dispose() // the optimizer made from an object stays the caller's
    ;(whole.optimizer as tf.Optimizer).dispose()
    x.dispose()
  })

  it('frees everything when disposed: used, never used, in a model, twice', () => {
    const start = tf.memory().numTensors
    const unused = new StandardSae({ config: smallConfig() })
    expect(unused.dispose()).to.deep.equal({ refCountAfterDispose: 0, numDisposedVariables: 0 })
    expect(tf.memory().numTensors).to.equal(start)

    const used = randomSae()
    const x = randomTensor([1, 8], 3)
    tf.tidy(() => void tf.grad((input: tf.Tensor) => used.splice().apply(input, silent).sum())(x))
    expect(tf.memory().numTensors).to.equal(start + 1 + 4 + 2, 'input, four weights, two transposes')
    expect(used.dispose().numDisposedVariables).to.equal(4)
    expect(used.dispose().numDisposedVariables).to.equal(0)
    expect(tf.memory().numTensors).to.equal(start + 1)
    x.dispose()

    const inside = randomSae()
    const whole = chain([8], inside)
    whole.dispose()
    expect(tf.memory().numTensors).to.equal(start)
    expect(() => inside.W_dec).to.throw(ArgumentError, 'was disposed')
    const loose = chain([8], new StandardSae({ config: smallConfig() }))
    loose.dispose()
    expect(tf.memory().numTensors).to.equal(start)
  })

  it('lends its weights, and gives copies to keep', () => {
    const sae = randomSae()
    const start = tf.memory().numTensors
    expect(sae.weight('W_enc')).to.equal(sae.W_enc)
    const copy = sae.copyWeight('W_enc')
    const values = copy.dataSync().slice()
    expect(tf.memory().numTensors).to.equal(start + 1)
    tf.tidy(() => {
      sae.load(Object.fromEntries(Object.entries(sae.weightShapes()).map(([name, shape]) => [name, tf.zeros(shape)])))
    })
    expect(copy.dataSync(), 'what is loaded later is not in it').to.deep.equal(values)
    sae.dispose()
    expect(copy.dataSync(), 'and it outlives the SAE').to.deep.equal(values)
    expect(() => sae.copyWeight('W_enc')).to.throw(ArgumentError, 'was disposed')
    expect(() => sae.load({ W_enc: copy, b_enc: copy, W_dec: copy, b_dec: copy })).to.throw(ShapeError)
    copy.dispose()
  })

  it('says what is wrong with weights, names and inputs', () => {
    using sae = randomSae()
    const wrong = Object.fromEntries(Object.keys(sae.weightShapes()).map((name) => [name, sae.weight(name)]))
    const short = tf.zeros([11])
    expect(() => sae.load({ ...wrong, b_enc: short })).to.throw(
      ShapeError,
      "load: b_enc of the SAE 'blocks.1.hook_resid_pre' has shape [11]. Its config asks for [12].",
    )
    const { W_dec: _left, ...missing } = wrong
    expect(() => sae.load(missing)).to.throw(
      ArgumentError,
      "has a weight 'W_dec', which is not among W_enc, b_enc, b_dec",
    )
    expect(() => sae.weight('W_end')).to.throw(ArgumentError, "has no 'W_end'. It has W_enc, b_enc, W_dec, b_dec.")
    const narrow = tf.zeros([2, 7])
    for (const use of [() => sae.encode(narrow), () => sae.apply(narrow)])
      expect(use).to.throw(ShapeError, 'the input has shape [2,7]. Its last axis must have 8 numbers.')
    using z = randomSae({ flattenHeads: true, hookName: 'blocks.1.attn.hook_z' })
    const heads = tf.zeros([2, 3, 3])
    expect(() => z.encode(heads)).to.throw(ShapeError, 'Its last axes must have 8 numbers.')
    const acts = tf.zeros([2, 12])
    expect(() => z.decode(acts)).to.throw(ArgumentError, '(heads flattened) needs the input as well')
    using normed = randomSae({ normalization: 'layer_norm' })
    expect(() => normed.decode(acts)).to.throw(ArgumentError, '(layer_norm) needs the input as well')
    expect(() => normed.writes()).to.throw("puts the input's own norm back (layer_norm)")
    for (const latent of [-1, 12, 1.5, NaN])
      expect(() => sae.checkLatent(latent)).to.throw(ArgumentError, `latent ${latent}: the SAE`)
    expect(() => sae.checkLatent(12)).to.throw('has latents 0 to 11.')
    expect(() => sae.checkLatent(11)).to.not.throw()
    tf.dispose([short, narrow, heads, acts])
  })

  it('prints as one line', () => {
    using sae = randomSae()
    const inspect = Symbol.for('nodejs.util.inspect.custom') as unknown as keyof Sae
    expect((sae[inspect] as unknown as () => string).call(sae)).to.equal(
      'Sae blocks.1.hook_resid_pre: standard, 8 → 12 latents, at blocks.1.hook_resid_pre',
    )
  })
})

/** Inputs [count,8], each the sum of two of six fixed directions. */
function sparseData(count: number): tf.Tensor2D {
  return tf.tidy(() => {
    const directions = randomTensor([6, 8], 21)
    const pairs = Array.from({ length: count }, (_, i) => [i % 6, (i * 5 + 1 + Math.floor(i / 6)) % 6])
    const which = pairs.map((pair) => Array.from({ length: 6 }, (_, d) => pair.filter((p) => p === d).length))
    return tf.matMul(tf.tensor2d(which), directions as tf.Tensor2D)
  })
}
