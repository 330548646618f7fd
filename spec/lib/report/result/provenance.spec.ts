import { readFile } from 'node:fs/promises'
import { expect } from 'chai'
import { describeProvenance, libraryVersion } from '../../../../lib/report/result/provenance.js'

describe('provenance', () => {
  it('has the version of package.json', async () => {
    const file = await readFile(new URL('../../../../package.json', import.meta.url), 'utf8')
    expect(libraryVersion).to.equal((JSON.parse(file) as { version: string }).version)
  })

  it('tells what is known and leaves out what is not', () => {
    const pairs = describeProvenance({
      library: 'tfjs-lens 0.1.0',
      backend: 'wasm',
      model: 'pocket-gpt2',
      modelFiles: { 'model.safetensors': 'abc' },
      processing: { foldLn: true, centerUnembed: false },
      prependBos: false,
      saes: [],
      seed: 0,
    })
    expect(pairs).to.deep.equal([
      ['Library', 'tfjs-lens 0.1.0'],
      ['Backend', 'wasm'],
      ['Model', 'pocket-gpt2'],
      ['Weight processing', 'foldLn'],
      ['BOS prepended', 'no'],
      ['Seed', '0'],
      ['model.safetensors', 'sha256 abc'],
    ])
  })
})
