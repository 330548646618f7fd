/** A model folder's tensors: one file or shards, and what happens when index and shards do not agree. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { openCheckpoint } from '../../../lib/weights/checkpoint.js'
import { encodeSafetensors } from '../../../lib/weights/formats/safetensors.js'
import { folderSource, type RandomAccessFile, type Source } from '../../../lib/weights/source.js'
import { decodePlainly, fileErrorOf, withFolder } from '../../support/weight-files.js'

const models = fileURLToPath(new URL('../../reference/models/', import.meta.url))
const INDEX = 'model.safetensors.index.json'

/** A file of tensors with these names; the values tell the tensor and the file. */
function shard(...values: [string, number][]): Uint8Array {
  return encodeSafetensors(
    Object.fromEntries(values.map(([name, n]) => [name, { shape: [1], values: Float32Array.of(n) }])),
  )
}

const index = (weightMap: unknown): string => JSON.stringify({ metadata: {}, weight_map: weightMap })

async function refusalIn(files: Record<string, string | Uint8Array>): Promise<string> {
  let message = ''
  await withFolder(files, async (folder) => {
    const { source, stillOpen } = watched(await folderSource(folder))
    message = (await fileErrorOf(() => openCheckpoint(source))).message.replaceAll(folder, 'FOLDER')
    expect(stillOpen(), 'files left open').to.equal(0)
  })
  return message
}

/** The same source, counting the files that were opened and not yet closed. */
function watched(inner: Source): { source: Source; stillOpen: () => number } {
  let count = 0
  const source: Source = {
    id: inner.id,
    list: () => inner.list(),
    has: (file) => inner.has(file),
    readText: (file) => inner.readText(file),
    sha256: (file) => inner.sha256(file),
    open: async (file): Promise<RandomAccessFile> => {
      const opened = await inner.open(file)
      count++
      const close = async (): Promise<void> => {
        count--
        await opened.close()
      }
      return { name: opened.name, size: opened.size, read: (offset, length) => opened.read(offset, length), close }
    },
  }
  return { source, stillOpen: () => count }
}

describe('lib/weights/checkpoint', () => {
  const folders: [string, string[]][] = [
    ['gpt2', ['model.safetensors']],
    ['gpt2_sharded', ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors']],
  ]
  for (const [model, files] of folders) {
    it(`reads every tensor of ${model}, and the hashes of its files`, async () => {
      const { source, stillOpen } = watched(await folderSource(path.join(models, model)))
      const checkpoint = await openCheckpoint(source)
      expect(checkpoint.files).to.deep.equal(files)
      const hashes: Record<string, string> = {}
      const names: string[] = []
      for (const file of files) {
        const bytes = await readFile(path.join(models, model, file))
        hashes[file] = createHash('sha256').update(bytes).digest('hex')
        for (const [name, { dtype, shape, values }] of decodePlainly(bytes)) {
          names.push(name)
          expect(checkpoint.infos.get(name), name).to.deep.include({ name, dtype, shape })
          expect(await checkpoint.read(name), name).to.deep.equal({ shape, values: Float32Array.from(values) })
        }
      }
      expect([...checkpoint.infos.keys()]).to.deep.equal(names)
      expect(await checkpoint.fileHashes()).to.deep.equal(hashes)
      const { message } = await fileErrorOf(() => checkpoint.read('transformer.wte.wieght'))
      expect(message).to.match(
        /no tensor 'transformer\.wte\.wieght' \(it holds \d+\)\. Did you mean 'transformer\.wte\.weight'/,
      )
      expect(stillOpen()).to.equal(files.length)
      await checkpoint.close()
      expect(stillOpen()).to.equal(0)
    })
  }

  it('finds shards in sub-folders, and prefers a whole file to an index', () => {
    const sharded = { [INDEX]: index({ a: 'parts/1.safetensors' }), 'parts/1.safetensors': shard(['a', 5]) }
    const valueIn = (files: Record<string, string | Uint8Array>, expected: number): Promise<void> =>
      withFolder(files, async (folder) => {
        const checkpoint = await openCheckpoint(await folderSource(folder))
        expect([...(await checkpoint.read('a')).values]).to.deep.equal([expected])
        await checkpoint.close()
      })
    return valueIn(sharded, 5).then(() => valueIn({ ...sharded, 'model.safetensors': shard(['a', 6]) }, 6))
  })

  const disagreements: [string, Record<string, string | Uint8Array>, string][] = [
    [
      'a missing shard',
      {
        [INDEX]: index({ a: '1.safetensors', b: '2.safetensors', c: '2.safetensors' }),
        '1.safetensors': shard(['a', 1]),
      },
      "shard '2.safetensors', with 2 tensors, is missing. All shards must lie beside the index.",
    ],
    [
      'a tensor that its shard lacks',
      { [INDEX]: index({ a: '1.safetensors', b: '1.safetensors' }), '1.safetensors': shard(['a', 1]) },
      "tensor 'b' should be in '1.safetensors', but it is in no shard. Index and shards must agree.",
    ],
    [
      'a tensor in the wrong shard',
      {
        [INDEX]: index({ a: '1.safetensors', b: '2.safetensors', c: '2.safetensors' }),
        '1.safetensors': shard(['a', 1], ['b', 2]),
        '2.safetensors': shard(['c', 3]),
      },
      "tensor 'b' should be in '2.safetensors', but it is in '1.safetensors'.",
    ],
    [
      'a tensor in two shards',
      {
        [INDEX]: index({ a: '1.safetensors', b: '2.safetensors' }),
        '1.safetensors': shard(['a', 1], ['b', 2]),
        '2.safetensors': shard(['b', 3]),
      },
      "tensor 'b' lies in two shards, '1.safetensors' and '2.safetensors'. Each tensor must lie in one.",
    ],
    [
      'tensors that the index lacks',
      { [INDEX]: index({ a: '1.safetensors' }), '1.safetensors': shard(['a', 1], ['x', 2], ['y', 2]) },
      'the shards hold 2 tensors that the index lacks: x, y. Index and shards must agree.',
    ],
    ['an index of no tensors', { [INDEX]: index({}) }, "it has no tensors in 'weight_map'."],
    ['an index without weight_map', { [INDEX]: '{}' }, "it has no tensors in 'weight_map'."],
    ['an index that is a list', { [INDEX]: '[]' }, "it has no tensors in 'weight_map'."],
    ['a weight_map that is a list', { [INDEX]: index(['1.safetensors']) }, "it has no tensors in 'weight_map'."],
    ['a shard that is a number', { [INDEX]: index({ a: 1 }) }, "the shard of 'a' is '1' (not a text). A plain name"],
    [
      'a shard outside',
      { [INDEX]: index({ a: '../1.safetensors' }) },
      "the shard of 'a' is '../1.safetensors' (a '..').",
    ],
    [
      'an absolute shard',
      { [INDEX]: index({ a: '/etc/passwd' }) },
      "the shard of 'a' is '/etc/passwd' (an absolute path).",
    ],
  ]
  for (const [what, files, words] of disagreements) {
    it(`refuses ${what}`, async () => {
      const message = await refusalIn(files)
      expect(message).to.match(/^open FOLDER\/model\.safetensors\.index\.json: /)
      expect(message).to.contain(words)
    })
  }

  it('refuses a damaged index, an index with a tensor twice, and a damaged shard', async () => {
    expect(await refusalIn({ [INDEX]: '{"weight_map": {' })).to.equal(
      `read FOLDER/${INDEX}: unexpected end at line 1, column 17. Valid JSON is needed.`,
    )
    const twice = '{"weight_map": {"a": "1.safetensors", "a": "2.safetensors"}}'
    expect(await refusalIn({ [INDEX]: twice })).to.contain("key 'a' a second time at line 1, column 39")
    const map = index({ a: '1.safetensors', b: '2.safetensors' })
    const whole = shard(['b', 2])
    const files = {
      [INDEX]: map,
      '1.safetensors': shard(['a', 1]),
      '2.safetensors': whole.subarray(0, whole.length - 1),
    }
    expect(await refusalIn(files)).to.match(
      /^open FOLDER\/2\.safetensors: tensor 'b' ends at byte 4\. The file holds 3/,
    )
  })

  it('says what it looked for and what is there when a folder has no weights it can read', async () => {
    const kinds =
      'model.safetensors, model.safetensors.index.json, pytorch_model.bin, pytorch_model.bin.index.json, model_final.pth'
    const message = (held: string) =>
      `openCheckpoint: no weights in 'FOLDER', which holds ${held}. One of ${kinds} is needed.`
    expect(await refusalIn({})).to.equal(message('nothing'))
    const others = { 'config.json': '', 'flax.msgpack': '' }
    expect(await refusalIn(others)).to.equal(message('config.json, flax.msgpack'))
    const many = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`f${i + 10}`, '']))
    expect(await refusalIn(many)).to.equal(message('f10, f11, f12, f13, f14, f15, f16, f17 and 4 more'))
  })
})
