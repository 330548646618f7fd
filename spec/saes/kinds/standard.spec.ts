/** The standard SAE against what SAELens computes with the same files. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { makeAt, noTaps, silent, type Observer } from '../../../lib/core/hooks.js'
import { foldActivationNorm, StandardSae, type Sae } from '../../../saes/index.js'
import { loadSae } from '../../../saes/load-sae.js'
import { expectClose, tolerances } from '../../support/close.js'
import { reference, type Reference } from '../../support/reference.js'

interface Recorded {
  readonly files: string[]
  readonly loader: string
  readonly settings: Record<string, unknown>
  readonly hooks: string[]
  readonly hooks_with_error_term: string[]
  readonly norm_scaling_factor?: number
}

/** With the ReLU, from a folder that SAELens wrote, of any of its versions. */
function isStandard({ settings, loader }: Recorded): boolean {
  const activation = settings['activation_fn_str'] ?? 'relu'
  return settings['architecture'] === 'standard' && activation === 'relu' && loader.startsWith('sae_lens folder')
}

describe('StandardSae', () => {
  let record: Reference
  let cases: [string, Recorded][]

  before(async () => {
    record = await reference('saes')
    const saes = record.json['saes'] as Record<string, Recorded>
    cases = Object.entries(saes).filter(([, sae]) => isStandard(sae))
  })

  /** A recorded tensor, also one that is stored under another's name. The caller owns it. */
  function recorded(id: string, name: string): tf.Tensor {
    const listed = record.json['tensors'] as Record<string, { stored_as?: string }>
    const full = `sae/${id}/${name}`
    const { shape, values } = record.tensor(listed[full]?.stored_as ?? full)
    return tf.tensor(values, [...shape])
  }

  async function load(id: string, { files, settings, loader }: Recorded): Promise<Sae> {
    const sae = await loadSae(`${record.folder}/${files[0]}`)
    if (!loader.includes('fold_activation_norm')) return sae
    const folded = foldActivationNorm(sae, settings['norm_scaling_factor'] as number)
    sae.dispose()
    return folded
  }

  /** Runs a check with each recorded SAE, with every tensor freed. */
  async function forEach(check: (id: string, sae: Sae, recording: Recorded) => void): Promise<void> {
    expect(cases.length, 'recorded standard SAEs').to.be.above(10)
    for (const [id, recording] of cases) {
      using sae = await load(id, recording)
      tf.tidy(() => check(id, sae, recording))
    }
  }

  it('loads every recorded file as its config says', async () => {
    await forEach((id, sae, { settings }) => {
      expect(sae).to.be.instanceOf(StandardSae)
      const { config } = sae
      const heads = (settings['reshape_activations'] as string) ?? (id.includes('attn_z') ? 'hook_z' : 'none')
      expect(config, id).to.include({
        architecture: 'standard',
        dIn: settings['d_in'],
        dSae: settings['d_sae'],
        hookName: settings['hook_name'],
        applyBDecToInput: settings['apply_b_dec_to_input'],
        normalization: settings['normalize_activations'],
        flattenHeads: heads === 'hook_z',
      })
    })
  })

  it('has the recorded value at each of its points, in the recorded order', async () => {
    await forEach((id, sae, recording) => {
      for (const errorTerm of [false, true]) {
        const splice = sae.splice({ errorTerm })
        const order = errorTerm ? recording.hooks_with_error_term : recording.hooks
        expect(splice.points.map((point) => point.name)).to.deep.equal(order)
        const seen = new Map<string, tf.Tensor>()
        const observer: Observer = { names: new Set(order), see: (name, x) => (seen.set(name, tf.keep(x.clone())), x) }
        splice.apply(recorded(id, 'input'), makeAt({ ...noTaps, observers: [observer] }))
        expect([...seen.keys()]).to.deep.equal(order)
        for (const [name, value] of seen) {
          const withError = errorTerm && ['hook_sae_error', 'hook_sae_output'].includes(name)
          const expected = recorded(id, withError ? `error_term/${name}` : name)
          expect(value.shape).to.deep.equal(expected.shape)
          expectClose(value, expected, tolerances.saes, `${id} ${name}`)
          value.dispose()
        }
      }
    })
  })

  it('encodes, decodes and applies as recorded', async () => {
    await forEach((id, sae) => {
      const input = recorded(id, 'input')
      const acts = sae.encode(input)
      expectClose(acts, recorded(id, 'encode'), tolerances.saes, `${id} encode`)
      expectClose(sae.decode(acts, input), recorded(id, 'decode'), tolerances.saes, `${id} decode`)
      expectClose(sae.apply(input) as tf.Tensor, recorded(id, 'output'), tolerances.saes, `${id} output`)
    })
  })

  it('has the recorded gradients at its input and its latents', async () => {
    await forEach((id, sae) => {
      const [input, cotangent] = [recorded(id, 'input'), recorded(id, 'cotangent')]
      const { apply } = sae.splice()
      const spliced = tf.grad((x: tf.Tensor) => apply(x, silent).mul(cotangent).sum())(input)
      expectClose(spliced, recorded(id, 'grad_input'), tolerances.saes, `${id} input`)
      const called = tf.grad((x: tf.Tensor) => sae.call(x).mul(cotangent).sum())(input)
      expectClose(called, recorded(id, 'grad_input'), tolerances.saes, `${id} input, as a layer`)
      const decoded = (acts: tf.Tensor) => sae.decode(acts, input).mul(cotangent).sum()
      const latents = tf.grad(decoded)(sae.encode(input))
      expectClose(latents, recorded(id, 'grad_acts_post'), tolerances.saes, `${id} latents`)
    })
  })
})
