/** SAELens's folders as plain data. */
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { encodeSafetensors } from '../../../lib/weights/formats/safetensors.js'
import { folderSource } from '../../../lib/weights/source.js'
import { openSaeLensFolder } from '../../../saes/formats/saelens.js'
import { expectClose } from '../../support/close.js'
import { reference } from '../../support/reference.js'
import { readToEnd, type ReadSae } from '../../support/saes.js'
import { refusalOf } from '../../support/refusal.js'
import { withFolder } from '../../support/weight-files.js'

const config = { d_in: 2, d_sae: 3, hook_name: 'blocks.0.hook_resid_pre' }
const weights = { b_dec: { shape: [2], values: Float32Array.of(0.5, -1) } }
const ones = (length: number) => ({ shape: [length], values: new Float32Array(length).fill(1) })

type Tensors = Parameters<typeof encodeSafetensors>[0]

/** What is read of a folder with these parts. */
async function readFolder(json: object, tensors: Tensors, sparsity?: Tensors): Promise<ReadSae> {
  const files = {
    'cfg.json': JSON.stringify(json),
    'sae_weights.safetensors': encodeSafetensors(tensors),
    ...(sparsity && { 'sparsity.safetensors': encodeSafetensors(sparsity) }),
  }
  let read: ReadSae | undefined
  await withFolder(files, async (folder) => {
    read = await readToEnd(openSaeLensFolder(await folderSource(folder)))
  })
  return read!
}

const recorded = async (id: string) =>
  readToEnd(
    openSaeLensFolder(await folderSource(fileURLToPath(new URL(`../../reference/saes/${id}`, import.meta.url)))),
  )

describe('openSaeLensFolder', () => {
  it('reads config, tensors and sparsity', async () => {
    const { config, tensors, logSparsity } = await recorded('sae_lens_5/v5_standard')
    expect(config.hookName).to.equal('blocks.1.hook_resid_pre')
    const shapes = Object.fromEntries([...tensors].map(([name, tensor]) => [name, tensor.shape]))
    expect(shapes).to.deep.equal({ W_enc: [48, 96], b_enc: [96], W_dec: [96, 48], b_dec: [48] })
    const record = await reference('saes')
    expectClose(logSparsity!, record.values('sae/v5_standard/log_sparsity'), 0)
    expect((await recorded('sae_lens_6/standard_resid_pre')).logSparsity).to.equal(undefined)
  })

  it('keeps a scaling factor that is not all ones, and drops one that is', async () => {
    const kept = await recorded('sae_lens_5/v5_scaling_factor')
    expect([kept.config.hasScalingFactor, kept.tensors.has('scaling_factor')]).to.deep.equal([true, true])
    const dropped = await recorded('sae_lens_5/v5_scaling_factor_ones')
    expect([dropped.config.hasScalingFactor, dropped.tensors.has('scaling_factor')]).to.deep.equal([false, false])
    // what the config says of it is often wrong: the tensor decides
    const unsaid = await readFolder(config, {
      ...weights,
      scaling_factor: { shape: [3], values: Float32Array.of(1, 2, 1) },
    })
    expect(unsaid.config.hasScalingFactor).to.equal(true)
    const saidOnes = await readFolder(
      { ...config, finetuning_scaling_factor: true },
      { ...weights, scaling_factor: ones(3) },
    )
    expect(saidOnes.config.hasScalingFactor).to.equal(false)
  })

  it('refuses a folder that lacks the scaling factor its config speaks of', async () => {
    const refusal = await refusalOf(() => readFolder({ ...config, finetuning_scaling_factor: true }, weights))
    expect(refusal).to.match(/^ConfigError: .*cfg\.json: finetuning_scaling_factor is true, but/)
    expect(refusal).to.include("the weights have no tensor 'scaling_factor'. The folder is incomplete.")
  })

  it('refuses a sparsity that is not one float a latent', async () => {
    const says =
      /^FileError: .*sparsity\.safetensors: there is no tensor 'sparsity' of 3 floats\. It must hold one number/
    const bad: Tensors[] = [
      { sparsity: ones(2) },
      { density: ones(3) },
      { sparsity: { shape: [3], values: Int32Array.of(0, 1, 2) } },
    ]
    for (const sparsity of bad) expect(await refusalOf(() => readFolder(config, weights, sparsity))).to.match(says)
    expect((await readFolder(config, weights, { sparsity: ones(3) })).logSparsity).to.deep.equal(
      new Float32Array(3).fill(1),
    )
  })

  it('refuses numbers that are none, naming the tensor', async () => {
    const nan = { b_dec: { shape: [2], values: Float32Array.of(1, NaN) } }
    expect(await refusalOf(() => readFolder(config, nan))).to.match(/^FileError: .*'?b_dec'?.*NaN/)
    const infinite = { sparsity: { shape: [3], values: Float32Array.of(0, -Infinity, 0) } }
    expect(await refusalOf(() => readFolder(config, weights, infinite))).to.match(/^FileError: .*sparsity.*-Infinity/)
  })

  it('refuses a folder without config or weights', async () => {
    await withFolder({ 'config.json': '{}' }, async (folder) => {
      const source = await folderSource(folder)
      const refusal = await refusalOf(() => openSaeLensFolder(source))
      expect(refusal)
        .to.match(/^FileError: /)
        .and.to.include("has no file 'cfg.json'")
    })
    await withFolder({ 'cfg.json': JSON.stringify(config), 'sae_weights.safetensor': 'x' }, async (folder) => {
      const source = await folderSource(folder)
      const refusal = await refusalOf(() => openSaeLensFolder(source))
      expect(refusal).to.include("has no file 'sae_weights.safetensors'. Did you mean 'sae_weights.safetensor'?")
    })
    await withFolder({ 'cfg.json': '{"d_in": 3' }, async (folder) => {
      const source = await folderSource(folder)
      expect(await refusalOf(() => openSaeLensFolder(source))).to.match(/^FileError: .*cfg\.json/)
    })
  })
})
