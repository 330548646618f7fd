/** torch.save files: the same numbers as safetensors has, whatever the view; hostile and damaged ones are refused. */
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { FileError } from '../../../../lib/errors/errors.js'
import { openCheckpoint } from '../../../../lib/weights/checkpoint.js'
import type { PickledName, PickledRecord } from '../../../../lib/weights/formats/pickle.js'
import { folderSource } from '../../../../lib/weights/source.js'
import { StateDictFile } from '../../../../lib/weights/formats/state-dict.js'
import { TorchFile } from '../../../../lib/weights/formats/torch-file.js'
import type { TorchTensor } from '../../../../lib/weights/formats/torch-tensor.js'
import { refusalOf } from '../../../support/refusal.js'
import { bytes, call, dict, floats, int, le, name, pickle, storage, str, tensor, torchStream, torchZip, tuple, zip, type TensorText } from '../../../support/torch-files.js' // prettier-ignore
import { MemoryFile, seededRandom } from '../../../support/weight-files.js'

const records = fileURLToPath(new URL('../../../reference', import.meta.url))
const six = floats(0, 1, 2, 3, 4, 5)

const openRecord = async (file: string) =>
  TorchFile.open(new MemoryFile(await readFile(path.join(records, 'saes/torch_pt', file))))
const open = (content: Uint8Array) => TorchFile.open(new MemoryFile(content))
const openStates = (content: Uint8Array) => StateDictFile.open(new MemoryFile(content))

/** The one tensor of a file that holds it as `a`. */
async function read(of: TensorText, content: Uint8Array): Promise<{ shape: readonly number[]; values: number[] }> {
  const file = await openStates(torchZip(dict({ a: tensor(of) }), { '0': content }))
  const { shape, values } = await file.read('a')
  return { shape, values: [...values] }
}

describe('lib/weights/formats/torch-file', () => {
  it('reads from pytorch_model.bin what safetensors has, shared, shifted and transposed storages included', async () => {
    const bin = await openCheckpoint(await folderSource(path.join(records, 'models/gpt_neo_bin')))
    const safe = await openCheckpoint(await folderSource(path.join(records, 'models/gpt_neo')))
    try {
      expect(bin.files).to.deep.equal(['pytorch_model.bin'])
      expect(safe.infos.size).to.be.greaterThan(40)
      for (const name of safe.infos.keys()) {
        expect(await bin.read(name), name).to.deep.equal(await safe.read(name))
        expect(bin.infos.get(name)!.shape).to.deep.equal(safe.infos.get(name)!.shape)
      }
      expect(await bin.read('lm_head.weight')).to.deep.equal(await safe.read('transformer.wte.weight'))
      const mask = await bin.read('transformer.h.1.attn.attention.bias') // local: the last six
      expect(mask.shape).to.deep.equal([1, 1, 48, 48])
      const expected = Array.from({ length: 48 * 48 }, (_, i) => {
        const behind = Math.floor(i / 48) - (i % 48)
        return behind >= 0 && behind < 6 ? 1 : 0
      })
      expect([...mask.values]).to.deep.equal(expected)
      expect(await bin.read('transformer.h.0.attn.attention.masked_bias')).to.deep.equal({ shape: [], values: Float32Array.of(-1e9) }) // prettier-ignore
      expect(await refusalOf(() => bin.read('lm_head.bias'))).to.match(/no tensor 'lm_head\.bias'.*Did you mean/)
    } finally {
      await bin.close()
      await safe.close()
    }
  })

  it('reads the stream that torch wrote before 1.6 as it reads the archive', async () => {
    const [archive, stream] = [await openRecord('25.pt'), await openRecord('25_legacy.pt')]
    const [a, s] = [archive.value, stream.value] as Map<string, TorchTensor>[]
    expect([...a!.keys()]).to.deep.equal(['W_enc', 'b_enc', 'W_dec', 'b_dec'])
    expect([...s!.keys()]).to.deep.equal([...a!.keys()])
    for (const key of a!.keys()) {
      const { shape, values } = await archive.read(a!.get(key)!)
      expect(values.some((x) => x !== 0)).to.equal(true)
      expect(await stream.read(s!.get(key)!)).to.deep.equal({ shape, values })
    }
  })

  it('reads float16, float64 and nn.Parameter', async () => {
    const file = await openRecord('mixed_types.pt')
    const tensors = file.value as Map<string, TorchTensor>
    const dtypes = [...tensors].map(([key, { storage: stored, shape }]) => [key, stored.dtype, shape.join()])
    expect(dtypes).to.deep.equal([
      ['W_enc', 'F32', '48,96'],
      ['W_dec', 'F32', '96,48'],
      ['b_enc', 'F16', '96'],
      ['b_dec', 'F64', '48'],
    ])
    const half = await file.read(tensors.get('b_enc')!)
    expect([...half.values].every((x) => Math.abs(x) < 10 && Number.isInteger(x * 2 ** 24))).to.equal(true)
  })

  it('reads settings beside tensors, an object of unknown class as a record', async () => {
    const file = await openRecord('final_sparse_autoencoder_tiny-gpt2-ref_blocks.1.hook_resid_pre_96.pt')
    const saved = file.value as Map<string, unknown>
    const cfg = saved.get('cfg') as PickledRecord
    expect(cfg.className).to.equal('sae_training.config LanguageModelSAERunnerConfig')
    expect(cfg.fields.get('hook_point')).to.equal('blocks.1.hook_resid_pre')
    expect(cfg.fields.get('l1_coefficient')).to.equal(8e-5)
    expect(cfg.fields.get('device')).to.equal('cpu')
    expect((cfg.fields.get('dtype') as PickledName).text).to.equal('torch float32')
    const states = saved.get('state_dict') as Map<string, TorchTensor>
    const [b_enc, b_dec] = [states.get('b_enc')!, states.get('b_dec')!]
    expect(b_enc.storage).to.equal(b_dec.storage) // one storage, in two parts
    expect((await file.read(b_enc)).values).to.not.deep.equal((await file.read(b_dec)).values)
  })

  describe('views', () => {
    const views: [string, TensorText, number[]][] = [
      ['in order', { count: 6, shape: [2, 3], strides: [3, 1] }, [0, 1, 2, 3, 4, 5]],
      ['transposed', { count: 6, shape: [3, 2], strides: [1, 3] }, [0, 3, 1, 4, 2, 5]],
      ['shifted', { count: 6, offset: 4, shape: [2], strides: [1] }, [4, 5]],
      ['a column', { count: 6, offset: 1, shape: [2], strides: [3] }, [1, 4]],
      ['of three axes in another order', { count: 6, shape: [3, 1, 2], strides: [1, 99, 3] }, [0, 3, 1, 4, 2, 5]],
      ['repeated less than the storage is long', { count: 6, shape: [2, 2], strides: [0, 1] }, [0, 1, 0, 1]],
      ['of no axis', { count: 6, offset: 5, shape: [], strides: [] }, [5]],
      ['of no numbers', { count: 6, shape: [0, 7], strides: [7, 1] }, []],
    ]
    for (const [what, view, values] of views) {
      it(`${what} are read`, async () => expect(await read(view, six)).to.deep.equal({ shape: view.shape, values }))
    }

    const types: [string, Uint8Array, number[]][] = [
      ['DoubleStorage', new Uint8Array(Float64Array.of(1.5, -2).buffer), [1.5, -2]],
      ['HalfStorage', bytes(le(0x3e00, 2), le(0xc000, 2)), [1.5, -2]],
      ['BFloat16Storage', bytes(le(0x3fc0, 2), le(0xc000, 2)), [1.5, -2]],
      ['LongStorage', bytes(le(-3n & (2n ** 64n - 1n), 8), le(7, 8)), [-3, 7]],
      ['IntStorage', bytes(le(0xfffffffd, 4), le(7, 4)), [-3, 7]],
      ['ShortStorage', bytes(le(0xfffd, 2), le(7, 2)), [-3, 7]],
      ['CharStorage', bytes([0xfd, 7]), [-3, 7]],
      ['ByteStorage', bytes([0xfd, 7]), [253, 7]],
      ['BoolStorage', bytes([0, 1]), [0, 1]],
    ]
    for (const [type, content, values] of types) {
      it(`of ${type} are read`, async () =>
        expect((await read({ type, count: 2, shape: [2], strides: [1] }, content)).values).to.deep.equal(values))
    }

    const wrong: [string, TensorText, RegExp][] = [
      ['beyond the storage', { count: 6, shape: [7], strides: [1] }, /shape \[7\] ends at number 7 of storage '0'\. It holds 6/],
      ['shifted beyond it', { count: 6, offset: 5, shape: [2], strides: [1] }, /ends at number 7/],
      ['huge', { count: 6, shape: [2 ** 40, 2 ** 40], strides: [1, 1] }, /ends at number 2199023255551/],
      ['expanded to more than the storage', { count: 6, shape: [2 ** 40], strides: [0] }, /repeats the 6 numbers of its storage\. Save tensor\.contiguous\(\)/],
      ['of negative sizes', { count: 6, shape: [-1], strides: [1] }, /a tensor is described by 0, \[-1\], \[1\]/],
      ['of negative strides', { count: 6, offset: 5, shape: [6], strides: [-1] }, /described by 5, \[6\], \[-1\]/],
      ['of a negative offset', { count: 6, offset: -1, shape: [1], strides: [1] }, /described by -1/],
      ['of fewer strides than axes', { count: 6, shape: [2, 3], strides: [1] }, /Offset, shape and strides are needed/],
      ['of a storage that is not there', { key: '1', count: 6, shape: [6], strides: [1] }, /no bytes for storage '1'\. It says 24/],
      ['of a storage of another size', { count: 5, shape: [5], strides: [1] }, /24 bytes for storage '0'\. It says 20/],
      ['of 2^53 numbers', { count: 2 ** 53, shape: [1], strides: [1] }, /a storage is described as/],
      ['of complex numbers', { type: 'ComplexFloatStorage', count: 3, shape: [3], strides: [1] }, /a storage is 'torch ComplexFloatStorage'\. Known are/],
    ] // prettier-ignore
    for (const [what, view, words] of wrong) {
      it(`${what} are refused`, async () => expect(await refusalOf(() => read(view, six))).to.match(words))
    }

    it('of integers that no int32 holds are refused, with the place', async () => {
      const wide = bytes(le(1, 8), le(2n ** 40n, 8))
      const of = { type: 'LongStorage', count: 2, shape: [2], strides: [1] }
      expect(await refusalOf(() => read(of, wide))).to.match(/entry 1 of I64 tensor 'a' is out of range/)
    })

    it('of a deflated storage are read', async () => {
      const file = torchZip(dict({ a: tensor({ count: 6, offset: 3, shape: [3], strides: [1] }) }), { '0': { content: six, deflate: true } }) // prettier-ignore
      expect([...(await (await openStates(file)).read('a')).values]).to.deep.equal([3, 4, 5])
    })
  })

  describe('hostile files', () => {
    it('are refused by the name of what they call, and nothing runs', async () => {
      const nothing = 'Nothing is run: only tensors and plain values are read.'
      expect(await refusalOf(() => openRecord('malicious_reduce.pt'))).to.equal(
        `FileError: read memory.safetensors: the pickle calls 'posix.system'. ${nothing}`,
      )
      expect(await refusalOf(() => openRecord('malicious_eval_legacy.pt'))).to.equal(
        `FileError: read memory.safetensors: the pickle calls '__builtin__.eval'. ${nothing}`,
      )
    })

    for (const callee of ['torch.load', 'torch.hub.load', 'builtins.getattr', 'torch._utils._rebuild_sparse_tensor']) {
      it(`may not call ${callee}`, async () => {
        const [module, attribute] = [
          callee.slice(0, callee.lastIndexOf('.')),
          callee.slice(callee.lastIndexOf('.') + 1),
        ]
        const file = torchZip(dict({ a: call(name(module, attribute), str('x')) }))
        expect(await refusalOf(() => open(file))).to.contain(`the pickle calls '${callee}'`)
      })
    }

    const strange: [string, Uint8Array, RegExp][] = [
      ['an OrderedDict of something', dict({ a: call(name('collections', 'OrderedDict'), str('x')) }), /calls 'collections OrderedDict' with 1 arguments/],
      ['a parameter of no tensor', dict({ a: call(name('torch._utils', '_rebuild_parameter'), str('x')) }), /calls 'torch\._utils _rebuild_parameter'/],
      ['a tensor of no storage', dict({ a: tensor({ count: 1, shape: [1], strides: [1] }, str('0')) }), /a tensor is described by/],
      ['one storage under two types', dict({ a: tensor({ count: 6, shape: [6], strides: [1] }), b: tensor({ type: 'IntStorage', count: 6, shape: [6], strides: [1] }) }), /storage '0' is described twice, differently/],
      ['a storage seen through another', dict({ a: bytes(tuple(str('storage'), name('torch', 'FloatStorage'), str('0'), str('cpu'), int(6), tuple(str('1'), int(0), int(2))), 'Q') }), /a storage is described as/],
      ['an id that is no storage', dict({ a: bytes(str('x'), 'Q') }), /a storage is 'undefined'/],
    ] // prettier-ignore
    for (const [what, value, words] of strange) {
      it(`with ${what} are refused`, async () =>
        expect(await refusalOf(() => open(torchZip(value, { '0': six })))).to.match(words))
    }
  })

  describe('damaged files', () => {
    const value = dict({ a: tensor({ count: 6, shape: [6], strides: [1] }) })
    const sound = torchZip(value, { '0': six })
    const stream = torchStream(value, { '0': { count: 6, content: six } })

    it('are told from sound ones', async () => {
      for (const file of [sound, stream]) expect([...(await (await openStates(file)).read('a')).values]).to.deep.equal([0, 1, 2, 3, 4, 5]) // prettier-ignore
    })

    const neither = /neither a zip archive nor the stream that torch wrote before 1\.6/
    const broken: [string, Uint8Array, RegExp][] = [
      ['empty', bytes(), neither],
      ['of text', bytes('hello'), neither],
      ['of another pickle', pickle(dict({ a: int(1) })), neither],
      ['truncated archives', sound.slice(0, sound.length - 30), /there is no zip directory at its end/],
      ['truncated streams', stream.slice(0, stream.length - 1), /storages that end at byte \d+ of \d+/],
      ['streams with more behind', bytes(stream, [0]), /storages that end at byte \d+ of \d+/],
      ['streams of another count', torchStream(value, { '0': { count: 5, content: six } }), /5 numbers in storage '0'\. Its tensors say 6/],
      ['streams of a storage of no tensor', torchStream(dict({}), { '0': { count: 6, content: six } }), /a storage '0' of no tensor/],
      ['archives without a pickle', zip({ 'archive/version': bytes('3') }), /0 members named '\*\/data\.pkl'\. A file of torch\.save has one/],
      ['archives of two pickles', zip({ 'a/data.pkl': pickle('N'), 'b/data.pkl': pickle('N') }), /2 members named/],
      ['big-endian archives', zip({ 'a/data.pkl': pickle('N'), 'a/byteorder': bytes('big') }), /big-endian numbers/],
      ['archives with more behind the pickle', zip({ 'a/data.pkl': bytes(pickle('N'), 'x') }), /1 bytes behind its pickle/],
      ['big-endian streams', bytes(stream.slice(0, 15), pickle(int(1001)), pickle('}', str('little_endian'), [0x89], 's')), /numbers that are not little-endian/],
    ] // prettier-ignore
    for (const [what, file, words] of broken) {
      it(`${what} are refused, and closed`, async () => {
        const memory = new MemoryFile(file)
        expect(await refusalOf(() => TorchFile.open(memory))).to.match(words)
        expect(memory.closed).to.equal(1)
      })
    }

    for (const [form, file] of [
      ['archive', sound],
      ['stream', stream],
    ] as const) {
      // prettier-ignore
      it(`end in numbers or a FileError whatever byte of the ${form} is wrong`, async () => {
        const random = seededRandom(11)
        let refused = 0
        for (let round = 0; round < 1500; round++) {
          const damaged = file.slice()
          for (let n = 0; n < 2; n++) damaged[Math.floor(random() * damaged.length)] = Math.floor(random() * 256)
          try {
            const states = await openStates(damaged)
            for (const key of states.infos.keys()) await states.read(key)
          } catch (error) {
            if (!(error instanceof FileError)) throw error
            refused++
          }
        }
        expect(refused).to.be.within(500, 1499)
      })
    }
  })

  describe('a model’s checkpoint', () => {
    const others: [string, Uint8Array, RegExp][] = [
      ['no dict', str('x'), /it holds x\. A state dict, name to tensor, is needed/],
      ['a number', dict({ step: int(3) }), /'step' is 3\. A model's checkpoint holds plain tensors only/],
      ['a dict of dicts', dict({ model: dict({}) }), /'model' is a dict of 0/],
      ['an object', dict({ cfg: bytes(name('evil', 'Config'), ')', [0x81]) }), /'cfg' is an object of class evil Config/],
      ['a name', dict({ dtype: name('torch', 'float32') }), /'dtype' is torch float32/],
      ['a bare storage', dict({ a: storage({ count: 6, shape: [], strides: [] }) }), /'a' is an object/],
      ['a tensor under a number', bytes('}', int(0), tensor({ count: 6, shape: [6], strides: [1] }), 's'), /'0' is an object/],
    ] // prettier-ignore
    for (const [what, value, words] of others) {
      it(`that holds ${what} is refused by its name, and closed`, async () => {
        const stored = /FloatStorage/.test(new TextDecoder('latin1').decode(value)) ? { '0': six } : {}
        const memory = new MemoryFile(torchZip(value, stored as Record<string, Uint8Array>))
        expect(await refusalOf(() => StateDictFile.open(memory))).to.match(words)
        expect(memory.closed).to.equal(1)
      })
    }
  })
})
