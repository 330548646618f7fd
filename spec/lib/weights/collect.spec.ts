/** Taking a checkpoint's tensors: all checked before any is read, none left over, nothing kept on failure. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import type { TensorReader } from '../../../lib/transformer/architecture.js'
import { FileError } from '../../../lib/errors/errors.js'
import { checkFinite, collectBeside, collectTensors, type TensorSpec } from '../../../lib/weights/collect.js'
import type { HostTensor } from '../../../lib/weights/formats/safetensors.js'
import { refusalOf } from '../../support/refusal.js'

/** A checkpoint in memory that lists what was read of it. */
function checkpoint(tensors: Record<string, HostTensor>): TensorReader & { readonly reads: string[] } {
  const reads: string[] = []
  const info = ([name, { shape }]: [string, HostTensor]) =>
    [name, { name, dtype: 'F32' as const, shape, byteLength: 0 }] as const
  return {
    infos: new Map(Object.entries(tensors).map(info)),
    reads,
    read: (name) => {
      reads.push(name)
      return Promise.resolve(tensors[name]!)
    },
  }
}

const floats = (shape: number[], ...values: number[]): HostTensor => ({ shape, values: Float32Array.from(values) })
const none = /^$/
const misfit = 'The config and the weights belong to different models.'

describe('lib/weights/collect', () => {
  it('takes tensors under our names as float32, and reports progress', async () => {
    const reader = checkpoint({ a: floats([2, 2], 1, 2, 3, 4), b: { shape: [2], values: Int32Array.of(5, -6) } })
    const progress: number[][] = []
    const wanted: TensorSpec[] = [
      ['b', 'B', [2]],
      ['a', 'A', [2, 2]],
    ]
    const tensors = await collectTensors(reader, wanted, none, (done, total) => void progress.push([done, total]))
    expect([...tensors].map(([name, t]) => [name, t.dtype, t.arraySync()])).to.deep.equal([
      ['B', 'float32', [5, -6]],
      [
        'A',
        'float32',
        [
          [1, 2],
          [3, 4],
        ],
      ],
    ])
    expect(progress).to.deep.equal([
      [1, 2],
      [2, 2],
    ])
    for (const tensor of tensors.values()) tensor.dispose()
  })

  it('names a missing tensor, the shape it would have, and the nearest one', async () => {
    const reader = checkpoint({ 'h.0.ln_1.weight': floats([1], 1) })
    expect(await refusalOf(() => collectTensors(reader, [['h.0.ln_1.bias', 'b', [8]]], none))).to.equal(
      "FileError: loadModel: the checkpoint has no tensor 'h.0.ln_1.bias'. Its config asks for one of shape [8]. Did you mean 'h.0.ln_1.weight'?",
    )
  })

  it('asks for no more names once one is missing', async () => {
    let asked = 0
    const endless = function* (): Generator<TensorSpec> {
      for (;;) yield [`h.${asked++}`, 'x', [1]]
    }
    const reader = checkpoint({ 'h.0': floats([1], 1) })
    expect(await refusalOf(() => collectTensors(reader, endless(), none))).to.match(/no tensor 'h\.1'/)
    expect(asked).to.equal(2)
  })

  for (const shape of [[2, 3], [6], [3, 2, 1]]) {
    it(`refuses shape [${shape}] where [3,2] is needed, before anything is read`, async () => {
      const reader = checkpoint({ a: floats([1], 1), w: floats(shape, 1, 2, 3, 4, 5, 6) })
      const wanted: TensorSpec[] = [
        ['a', 'a', [1]],
        ['w', 'w', [3, 2]],
      ]
      expect(await refusalOf(() => collectTensors(reader, wanted, none))).to.equal(
        `ConfigError: loadModel: tensor 'w' of the checkpoint has shape [${shape}]. Its config asks for [3,2].`,
      )
      expect(reader.reads).to.deep.equal([])
    })
  }

  it('refuses tensors that are left over, counted beyond three, before anything is read', async () => {
    const one = floats([1], 1)
    const reader = checkpoint({ a: one, b: one, c: one, d: one, e: one, 'h.0.attn.bias': one })
    const refusal = (...names: string[]) =>
      refusalOf(() =>
        collectTensors(
          reader,
          names.map((n): TensorSpec => [n, n, [1]]),
          /attn\.bias$/,
        ),
      )
    const words = 'FileError: loadModel: the checkpoint has tensors that its config has no place for:'
    expect(await refusal()).to.equal(`${words} a, b, c and 2 more. ${misfit}`)
    expect(await refusal('a', 'b', 'c', 'd')).to.equal(`${words} e. ${misfit}`)
    expect(reader.reads).to.deep.equal([])
  })

  for (const value of [NaN, Infinity, -Infinity]) {
    it(`refuses ${value}, says where it stands, and keeps nothing`, async () => {
      const reader = checkpoint({ a: floats([1], 1), w: floats([4], 1, 2, value, NaN) })
      const wanted: TensorSpec[] = [
        ['a', 'a', [1]],
        ['w', 'ours', [4]],
      ]
      expect(await refusalOf(() => collectTensors(reader, wanted, none))).to.equal(
        `FileError: load: tensor 'w' of the checkpoint holds ${value} at index 2. Weights must be finite numbers.`,
      )
    })
  }

  it('reads on ahead of the tensor at hand, up to 134 MB', () => {
    const shapes = { a: [2 ** 24], b: [2 ** 23, 2], c: [1], d: [1] }
    const values = new Float32Array()
    const reader = checkpoint(
      Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, { shape, values }])),
    )
    const begun: string[] = []
    const read = (name: string) => (begun.push(name), new Promise<HostTensor>(() => undefined)) // that takes for ever
    const wanted = Object.entries(shapes).map(([name, shape]): TensorSpec => [name, name, shape])
    void collectTensors({ infos: reader.infos, read }, wanted, none)
    expect(begun).to.deep.equal(['a', 'b'])
  })

  describe('what is mapped', () => {
    const names = ['a', 'b', 'c', 'd']
    const wanted = names.map((name): TensorSpec => [name, name, [2]])
    /** A checkpoint that maps some of its tensors, all of which are [1,2] but for those that are given. */
    const mapping = (mapped: string, of: Record<string, HostTensor> = {}) => {
      const reader = checkpoint({ ...Object.fromEntries(names.map((name) => [name, floats([2], 1, 2)])), ...of })
      return {
        ...reader,
        map: (name: string) => (mapped.includes(name) ? tf.tensor(of[name]?.values ?? [1, 2]) : undefined),
      }
    }

    it('is not read, and the rest is', async () => {
      const reader = mapping('abd')
      const tensors = await collectTensors(reader, wanted, none)
      expect([...tensors].map(([name, t]) => [name, t.arraySync()])).to.deep.equal(names.map((name) => [name, [1, 2]]))
      expect(reader.reads.join('')).to.equal('cd') // d was begun while c was at hand
      tf.dispose([...tensors.values()])
    })

    it('is checked and freed as what is read', async () => {
      const before = tf.memory().numTensors
      expect(await refusalOf(() => collectTensors(mapping('abcd', { c: floats([2], 1, NaN) }), wanted, none))).to.equal(
        "FileError: load: tensor 'c' of the checkpoint holds NaN at index 1. Weights must be finite numbers.",
      )
      expect(tf.memory().numTensors).to.equal(before)
    })

    it('is mapped no further where something beside it fails', async () => {
      const before = tf.memory().numTensors
      const mapped: string[] = []
      const reader = mapping('abcd')
      const told = { ...reader, map: (name: string) => (mapped.push(name), reader.map(name)) }
      const fail = () => {
        throw new FileError('no such thing')
      }
      const both = collectBeside(told, (from) => collectTensors(from, wanted, none), fail)
      expect(await refusalOf(() => both)).to.equal('FileError: no such thing')
      expect(mapped).to.deep.equal(['a'])
      expect(tf.memory().numTensors).to.equal(before)
    })
  })

  describe('beside something else', () => {
    const names = ['a', 'b', 'c']
    const wanted = names.map((name): TensorSpec => [name, name, [2 ** 24]]) // two at a time are read
    const collect = (from: TensorReader) => collectTensors(from, wanted, none)

    it('gives both, and has begun to read when the other begins', async () => {
      const small = checkpoint({ a: floats([1], 5) })
      const [tensors, built] = await collectBeside(
        small,
        (from) => collectTensors(from, [['a', 'A', [1]]], none),
        () => [...small.reads],
      )
      expect(built).to.deep.equal(['a'])
      expect([...tensors].map(([name, t]) => [name, t.arraySync()])).to.deep.equal([['A', [5]]])
      tf.dispose([...tensors.values()])
    })

    it('reads no more and keeps nothing where the other fails', async () => {
      const one = { shape: [2 ** 24], values: new Float32Array(2 ** 24) }
      const large = checkpoint(Object.fromEntries(names.map((name) => [name, one])))
      const before = tf.memory().numTensors
      const fail = () => {
        throw new FileError('no such thing')
      }
      expect(await refusalOf(() => collectBeside(large, collect, fail))).to.equal('FileError: no such thing')
      expect(large.reads).to.deep.equal(['a', 'b'])
      expect(tf.memory().numTensors).to.equal(before)
    })

    it('keeps nothing where a tensor is refused', async () => {
      const before = tf.memory().numTensors
      const broken = checkpoint({ a: floats([1], 1), b: floats([1], NaN) })
      const both = (from: TensorReader) => collectTensors(from, [['a', 'a', [1]], ['b', 'b', [1]]], none) // prettier-ignore
      expect(await refusalOf(() => collectBeside(broken, both, () => 0))).to.match(
        /^FileError: load: tensor 'b' .* NaN/,
      )
      expect(tf.memory().numTensors).to.equal(before)
    })
  })

  it('takes the largest and smallest numbers that float32 has', () => {
    expect(() => checkFinite(Float32Array.of(3.4e38, -3.4e38, 1e-45, 0), 'w', 'toy')).not.to.throw()
    expect(() => checkFinite([], 'w', 'toy')).not.to.throw()
  })
})
