/** Which SAE may be attached to which model. */
import { expect } from 'chai'
import { HookError, MismatchError } from '../../lib/errors/errors.js'
import type { HookedModel } from '../../lib/model.js'
import { loadModel } from '../../models/load-model.js'
import type { ProcessingFlags } from '../../lib/weights/process.js'
import type { Sae, SaeConfig } from '../../saes/index.js'
import { pocket } from '../support/pocket.js'
import { randomSae } from '../support/saes.js'

const res = 'blocks.1.hook_resid_pre'

describe('an SAE on a model it was not made for', () => {
  let model: HookedModel
  before(async () => {
    model = await pocket()
  })

  function attempt(on: HookedModel, fields: Partial<SaeConfig>, force = false): () => Sae {
    return () => {
      using sae = randomSae({ dSae: 4, dIn: 128, ...fields })
      on.withSaes(sae, { force })
      return sae
    }
  }

  it('is refused for its hook point, with the nearest one', () => {
    expect(attempt(model, { hookName: 'blocks.1.hook_resid_prr' })).to.throw(
      HookError,
      "withSaes: no hook point 'blocks.1.hook_resid_prr' in pocket-gpt2 (4 layers: 0–3). Did you mean 'blocks.1.hook_resid_pre'?",
    )
    expect(attempt(model, { hookName: 'blocks.4.hook_resid_pre' })).to.throw(HookError, '(4 layers: 0–3)')
    expect(attempt(model, { hookName: 'blocks.4.hook_resid_pre' }, true)).to.throw(HookError, 'no hook point')
  })

  it('is refused for its width, forced or not', () => {
    expect(attempt(model, { dIn: 768 })).to.throw(
      MismatchError,
      `withSaes: the SAE '${res}' takes 768 numbers, but ${res} of pocket-gpt2 gives [B,P,128]. Use an SAE trained on this model.`,
    )
    expect(attempt(model, { dIn: 768 }, true)).to.throw(MismatchError, 'takes 768 numbers')
    const z = { hookName: 'blocks.1.attn.hook_z' }
    expect(attempt(model, { ...z, flattenHeads: true })).to.not.throw()
    expect(attempt(model, { ...z, flattenHeads: false })).to.throw(MismatchError, 'gives [B,P,8,16]')
    expect(attempt(model, { ...z, flattenHeads: true, dIn: 64 })).to.throw(MismatchError, 'takes 64 numbers')
    expect(attempt(model, { flattenHeads: true })).to.throw(MismatchError, 'gives [B,P,128]')
  })

  it('is refused for weight processing that changes what it reads, unless forced', async () => {
    using raw = await loadModel('pocket', { process: false })
    const processing: ProcessingFlags = {
      foldLn: true,
      centerWritingWeights: true,
      centerUnembed: true,
      foldValueBiases: true,
    }
    expect(attempt(raw, { processing })).to.throw(
      MismatchError,
      `withSaes: the SAE '${res}' was trained with { centerWritingWeights: true }, which changes ${res}; pocket-gpt2 was loaded otherwise. Load the model with process: { centerWritingWeights: true }, or pass force: true.`,
    )
    expect(attempt(raw, { processing }, true)).to.not.throw()
    const z = { hookName: 'blocks.1.attn.hook_z', flattenHeads: true, processing }
    expect(attempt(raw, z)).to.throw(MismatchError, 'was trained with { foldValueBiases: true }, which changes')
    expect(attempt(model, { processing: { centerWritingWeights: false } })).to.throw(
      MismatchError,
      'was trained with { centerWritingWeights: false }',
    )
  })

  it('is not refused for processing that cannot change what it reads', async () => {
    using raw = await loadModel('pocket', { process: false })
    const irrelevant = { foldLn: true, centerUnembed: true, foldValueBiases: true }
    expect(attempt(raw, { processing: irrelevant })).to.not.throw()
    const mlp = {
      hookName: 'blocks.1.mlp.hook_post',
      dIn: 512,
      processing: { ...irrelevant, centerWritingWeights: true },
    }
    expect(attempt(raw, mlp)).to.not.throw()
    const z = { hookName: 'blocks.1.attn.hook_z', flattenHeads: true }
    expect(attempt(raw, { ...z, processing: { foldLn: true, centerWritingWeights: true } })).to.not.throw()
    expect(attempt(raw, { processing: {} })).to.not.throw()
  })
})
