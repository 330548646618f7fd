/** loadModel: where models come from, and every folder that is not sound. */
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { readFile } from 'node:fs/promises'
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { encodeSafetensors } from '../../lib/weights/formats/safetensors.js'
import { allProcessing } from '../../lib/weights/process.js'
import { loadModel } from '../../models/load-model.js'
import type { LoadEvent } from '../../models/index.js'
import { expectClose } from '../support/close.js'
import { pocket } from '../support/pocket.js'
import { refusalOf } from '../support/refusal.js'
import { tinyFiles, tinyTensors, type TensorRecord, type TinyOptions } from '../support/tiny-gpt2.js'
import { withFolder } from '../support/weight-files.js'

const pocketFolder = fileURLToPath(new URL('../../models/pocket/', import.meta.url))
const misfit = 'The config and the weights belong to different models.'

/** The refusal of a folder with these files, its path written FOLDER; nothing may be left of the attempt. */
async function refusalOfFiles(files: Record<string, string | Uint8Array>): Promise<string> {
  let message = ''
  await withFolder(files, async (folder) => {
    const before = tf.memory().numTensors
    message = (await refusalOf(() => loadModel(folder))).replaceAll(folder, 'FOLDER')
    expect(tf.memory().numTensors, 'tensors').to.equal(before)
  })
  return message
}

const refusalOfTiny = (options: TinyOptions) => refusalOfFiles(tinyFiles(options))

describe('models/index', () => {
  before(pocket)

  it('loads the embedded model by default, by its names, and from its folder', async () => {
    using model = await loadModel()
    expect([model.name, model.config.nLayers, model.config.dVocab]).to.deep.equal(['pocket-gpt2', 4, 1293])
    expect(model.tokenizer!.vocabSize).to.equal(1293)
    expect(model.processing).to.deep.equal(allProcessing)
    using byShortName = await loadModel('pocket')
    expect(byShortName.name).to.equal('pocket-gpt2')
    using byFolder = await loadModel(pocketFolder)
    expect(byFolder.name).to.equal('pocket')
    tf.tidy(() => {
      for (const other of [byShortName, byFolder]) expectClose(other.run('Hello'), model.run('Hello'), 0)
    })
  })

  it('reports progress to the end', async () => {
    const events: LoadEvent[] = []
    let name = ''
    await withFolder(tinyFiles(), async (folder) => {
      name = path.basename(folder)
      using _model = await loadModel(folder, { onProgress: (event) => void events.push(event) })
    })
    const steps = Array.from({ length: 28 }, (_, i) => i + 1)
    const loads = steps.map((n) => ({ status: 'load', name, loaded: n, total: 28, progress: (100 * n) / 28 }))
    expect(events).to.deep.equal([...loads, { status: 'ready', name }])
  })

  it('owns its tensors: all are gone when it is disposed', async () => {
    const before = tf.memory().numTensors
    const model = await loadModel()
    expect(tf.memory().numTensors - before).to.equal(model.weights.names.length)
    expect(model.weights.parameterCount).to.be.greaterThan(1e6)
    model.dispose()
    expect(tf.memory().numTensors).to.equal(before)
  })

  describe('refuses names and options:', () => {
    const names: [string, string][] = [
      ['poket-gpt2', " Did you mean 'pocket-gpt2'?"],
      ['gpt2-smal', " Did you mean 'gpt2-small'?"],
      ['tiny-stories-2L-3M', " Did you mean 'tiny-stories-2L-33M'?"],
      ['./no/such/folder', ''],
      ['', ''],
    ]
    for (const [name, hint] of names) {
      it(`model '${name}'`, async () => {
        expect(await refusalOf(() => loadModel(name))).to.equal(
          `ArgumentError: loadModel: there is no model or folder '${name}'. Name a folder with config.json and weights, a repository 'org/name' of the Hugging Face hub, or a known model such as 'gpt2'.${hint}`,
        )
      })
    }

    for (const [flag, hint] of [
      ['fold_ln', " Did you mean 'foldLn'?"],
      ['centreUnembed', " Did you mean 'centerUnembed'?"],
      ['toString', ''],
    ] as const) {
      it(`processing flag ${flag}`, async () => {
        expect(await refusalOf(() => loadModel('pocket', { process: { [flag]: true } }))).to.equal(
          `ArgumentError: loadModel: there is no processing flag '${flag}'.${hint}`,
        )
      })
    }

    it('a number type that tfjs does not compute in', async () => {
      const dtype = 'bfloat16' as 'float32'
      expect(await refusalOf(() => loadModel('pocket', { dtype }))).to.equal(
        "ArgumentError: loadModel: dtype is 'bfloat16'. It must be 'float32': tfjs computes in no other number type.",
      )
    })

    it('a folder that is a file, or holds no config.json', async () => {
      expect(await refusalOf(() => loadModel(path.join(pocketFolder, 'config.json')))).to.match(/^FileError: /)
      expect(await refusalOfFiles({ 'other.txt': '' })).to.match(/^FileError: .*config\.json/)
    })
  })

  describe('refuses config.json', () => {
    it('that is no JSON, or no object', async () => {
      expect(await refusalOfFiles({ ...tinyFiles(), 'config.json': '{"n_layer": ' })).to.match(
        /^FileError: .*config\.json/,
      )
      expect(await refusalOfFiles({ ...tinyFiles(), 'config.json': '[1]' })).to.equal(
        'ConfigError: FOLDER/config.json: the file holds [1]. It must be a JSON object.',
      )
    })

    it('without a model_type', async () => {
      expect(await refusalOfTiny({ config: { model_type: undefined } })).to.match(
        /^ConfigError: FOLDER\/config\.json: the field 'model_type' is missing\. It must be a string\./,
      )
    })

    it('with a model_type that is not supported, naming the nearest', async () => {
      expect(await refusalOfTiny({ config: { model_type: 'gpt-2' } })).to.match(
        /^ConfigError: loadModel: model_type 'gpt-2' is not supported\. Supported: gpt2, .*\. Did you mean 'gpt2'\?$/,
      )
      for (const model_type of ['constructor', '__proto__', 'mamba']) {
        expect(await refusalOfTiny({ config: { model_type } })).to.match(
          new RegExp(`^ConfigError: loadModel: model_type '${model_type}' is not supported\\. Supported: gpt2, `),
        )
      }
    })

    it('with a field that is missing, or sizes that do not fit each other', async () => {
      expect(await refusalOfTiny({ config: { n_head: undefined } })).to.match(/the field 'n_head' is missing/)
      expect(await refusalOfTiny({ config: { n_head: 7 } })).to.match(/n_embd 12 is not a multiple of n_head 7/)
    })

    it('with more layers than the checkpoint, a billion included, or fewer', async () => {
      expect(await refusalOfTiny({ config: { n_layer: 3 } })).to.equal(
        "FileError: loadModel: the checkpoint has no tensor 'transformer.h.2.ln_1.weight'. Its config asks for one of shape [12]. Did you mean 'transformer.h.0.ln_1.weight'?",
      )
      expect(await refusalOfTiny({ config: { n_layer: 1e9 } })).to.equal(
        'ConfigError: loadModel: the config has 1000000000 layers and the checkpoint 28 tensors in all. They belong to different models.',
      )
      expect(await refusalOfTiny({ config: { n_layer: 1 } })).to.equal(
        'FileError: loadModel: the checkpoint has tensors that its config has no place for: transformer.h.1.ln_1.weight, transformer.h.1.ln_1.bias, transformer.h.1.attn.c_attn.weight and 9 more. ' +
          misfit,
      )
    })

    const sizes: [string, number, string, string, string][] = [
      ['vocab_size', 24, 'wte.weight', '23,12', '24,12'],
      ['n_positions', 1024, 'wpe.weight', '10,12', '1024,12'],
      ['n_inner', 48, 'h.0.mlp.c_fc.weight', '12,20', '12,48'],
      ['n_embd', 24, 'wte.weight', '23,12', '23,24'],
    ]
    for (const [field, value, tensor, has, asks] of sizes) {
      it(`with ${field} ${value} that is not the checkpoint's`, async () => {
        expect(await refusalOfTiny({ config: { [field]: value } })).to.equal(
          `ConfigError: loadModel: tensor 'transformer.${tensor}' of the checkpoint has shape [${has}]. Its config asks for [${asks}].`,
        )
      })
    }
  })

  describe('refuses weights', () => {
    const name = 'transformer.h.1.attn.c_proj.weight'

    it('of which one is missing', async () => {
      expect(await refusalOfTiny({ edit: (tensors) => void delete tensors[name] })).to.match(
        /^FileError: loadModel: the checkpoint has no tensor 'transformer\.h\.1\.attn\.c_proj\.weight'\. Its config asks for one of shape \[12,12\]\. Did you mean/,
      )
    })

    it('with tensors that belong to another model', async () => {
      const extra = (tensors: TensorRecord) =>
        void (tensors['score.weight'] = { shape: [1], values: Float32Array.of(1) })
      expect(await refusalOfTiny({ edit: extra })).to.equal(
        `FileError: loadModel: the checkpoint has tensors that its config has no place for: score.weight. ${misfit}`,
      )
    })

    for (const value of [NaN, Infinity, -Infinity]) {
      it(`that hold ${value}, in the last tensor too`, async () => {
        const last = Object.keys(tinyTensors()).at(-1)!
        for (const [tensor, index] of [
          [name, 143],
          [last, 0],
        ] as const) {
          const spoil = (tensors: TensorRecord) => void (tensors[tensor]!.values[index] = value)
          expect(await refusalOfTiny({ edit: spoil })).to.equal(
            `FileError: load: tensor '${tensor}' of the checkpoint holds ${value} at index ${index}. Weights must be finite numbers.`,
          )
        }
      })
    }

    it('that are missing, truncated or lie about their sizes', async () => {
      const files = tinyFiles()
      const bytes = files['model.safetensors'] as Uint8Array
      const { 'model.safetensors': _, ...without } = files
      expect(await refusalOfFiles(without)).to.match(/^FileError: .*model\.safetensors/)
      expect(await refusalOfFiles({ ...files, 'model.safetensors': bytes.subarray(0, bytes.length - 4) })).to.match(
        /^FileError: /,
      )
      expect(await refusalOfFiles({ ...files, 'model.safetensors': bytes.subarray(0, 4) })).to.match(/^FileError: /)
      expect(await refusalOfFiles({ ...files, 'model.safetensors': encodeSafetensors({}) })).to.equal(
        'ConfigError: loadModel: the config has 2 layers and the checkpoint 0 tensors in all. They belong to different models.',
      )
    })

    it('of a head of another vocabulary', async () => {
      const head = (tensors: TensorRecord) =>
        void (tensors['lm_head.weight'] = { shape: [22, 12], values: new Float32Array(264) })
      expect(await refusalOfTiny({ edit: head })).to.equal(
        "ConfigError: loadModel: tensor 'lm_head.weight' of the checkpoint has shape [22,12]. Its config asks for [23,12].",
      )
    })
  })

  it('refuses a tokenizer with more tokens than the model', async () => {
    const tokenizer = await readFile(path.join(pocketFolder, 'tokenizer.json'), 'utf8')
    expect(await refusalOfFiles({ ...tinyFiles(), 'tokenizer.json': tokenizer })).to.equal(
      'MismatchError: checkTokenizer: the tokenizer has ids up to 1292, but the vocabulary of FOLDER ends at 22. Use the tokenizer that the model was trained with.',
    )
  })

  it('loads a sound folder after any number of refusals', async () => {
    await refusalOfTiny({ config: { n_layer: 3 } })
    await withFolder(tinyFiles(), async (folder) => {
      using model = await loadModel(`${folder}/`)
      expect(model.name).to.equal(path.basename(folder))
      tf.tidy(() => void expect(model.run([1, 2]).shape).to.deep.equal([1, 2, 23]))
    })
  })
})
