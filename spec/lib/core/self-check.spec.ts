/** The model against logits that its folder carries. */
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { loadModel } from '../../../models/load-model.js'
import { pocket } from '../../support/pocket.js'
import { refusalOf } from '../../support/refusal.js'

describe('lib/core/self-check', () => {
  before(() => pocket()) // loaded once for all specs: not within a test

  for (const name of ['gpt2', 'llama', 'gemma2']) {
    it(`finds ${name} right, processed or not`, async () => {
      for (const process of [true, false]) {
        using model = await loadModel(`spec/reference/models/${name}`, { process })
        const { ok, maxAbs, tolerance, tokens } = await model.selfCheck()
        expect(ok, `${maxAbs} of ${tolerance}`).to.equal(true)
        expect(tokens).to.equal(60)
        expect(maxAbs).to.be.greaterThan(0) // two programs never round alike
      }
    })
  }

  it('finds a model wrong whose layers are not those of the record, or that a hook changes', async () => {
    using model = await loadModel('spec/reference/models/gpt2')
    const changed = model.withHooks({ 'blocks.0.attn.hook_z': (z) => z.mul(1.001) })
    expect((await changed.selfCheck()).ok).to.equal(false)
    using shorter = await loadModel('spec/reference/models/gpt2', { firstNLayers: 2 })
    expect((await shorter.selfCheck()).ok).to.equal(false)
  })

  it('says so where nothing is recorded', async () => {
    expect(await refusalOf(async () => (await pocket()).selfCheck())).to.equal(
      "FileError: selfCheck: the folder of pocket-gpt2 carries no recorded logits. It needs expected.json and expected.safetensors with 'tokens' and 'hf/logits'.",
    )
    const folder = await mkdtemp(join(tmpdir(), 'self-check-'))
    try {
      for (const file of ['config.json', 'model.safetensors', 'expected.json']) {
        await copyFile(join('spec/reference/models/llama', file), join(folder, file))
      }
      using model = await loadModel(folder)
      expect(await refusalOf(() => model.selfCheck())).to.match(/carries no recorded logits/)
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
