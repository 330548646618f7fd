/** Sweeps give what whole runs give, for random interventions on every family of models. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { axesOf, type HookPoint } from '../../../lib/core/hooks.js'
import { cosine, klToClean, logitDiff, logProb, loss, probability, type Metric } from '../../../lib/core/metrics.js'
import type { HookedModel } from '../../../lib/model.js'
import { random, type Random } from '../../../lib/stats/random.js'
import type { Edit } from '../../../lib/sweep/index.js'
import { Tokens } from '../../../lib/tokens/tokens.js'
import { featureShape } from '../../../lib/core/axes.js'
import { loadModel } from '../../../models/load-model.js'
import type { Sae } from '../../../saes/index.js'
import { TopKSae } from '../../../saes/kinds/topk.js'
import { Transcoder } from '../../../saes/kinds/transcoder.js'
import { plainMetric } from '../../support/plain-sweep.js'
import { recordFolder } from '../../support/record-model.js'
import { isFull } from '../../runner/proofs.js'
import { randomSae, randomTensor, smallConfig } from '../../support/saes.js'

const families = ['gpt2', 'gpt_neo', 'gpt_neox', 'llama', 'qwen2', 'gemma', 'gemma2', 'attn_only_2l', 'solu_2l', 'gelu_1l'] // prettier-ignore

/** Float32 against float32, sums in another order, of metrics of size 1 to 30 through a few layers. */
const NOISE = 2e-4

const draw = <T>(own: Random, list: readonly T[]): T => list[own.integer(list.length)]!

/** A random edit at a random point. */
function randomEdit(own: Random, model: HookedModel, points: readonly HookPoint[], tokens: Tokens): Edit {
  const point = draw(own, points)
  const axes = axesOf(point.shape)
  const unitAxis = axes.findIndex((axis) => 'HGSM'.includes(axis))
  const counts: Record<string, number> = { H: model.config.nHeads, G: model.config.nKeyValueHeads ?? model.config.nHeads, M: model.config.dMlp, S: 24 } // prettier-ignore
  const count = counts[axes[unitAxis] ?? ''] ?? 0
  const unit = count > 0 && own.integer(4) > 0 ? { unit: draw(own, [own.integer(count), [0, own.integer(count)]]) } : {}
  const shortest = Math.min(...tokens.rows.map((row, b) => tokens.mask?.[b]!.filter(Boolean).length ?? row.length))
  const position = own.integer(3) > 0 ? { position: draw(own, [-1, own.integer(shortest), [0, -2], -own.integer(shortest) - 1]) } : {} // prettier-ignore
  return { hook: point.name, ...unit, ...position, ...change(own, model, point, unitAxis, 'unit' in unit) }
}

function change(own: Random, model: HookedModel, point: HookPoint, unitAxis: number, ofUnit: boolean) {
  const kinds = ['zero', 'source', 'number', 'add', 'mean', 'vector', 'addVector']
  const square = !point.shape.startsWith('[B,P,')
  const inSae = point.name.includes('.hook_sae_')
  // a scale of 0 makes numbers that are none, which whole runs carry to earlier positions too
  if (point.name.endsWith('hook_scale')) return { to: 'source' } as const
  const kind = draw(own, square ? kinds.slice(0, 4) : inSae ? kinds.slice(0, 5) : kinds)
  if (kind === 'number') return { to: 0.3 }
  if (kind === 'add') return { add: 0.7 }
  if (kind === 'zero' || kind === 'source' || kind === 'mean') return { to: kind } as const
  const features = featureShape(point, model.config)
  const size = (ofUnit ? features.slice(unitAxis - 1) : features).reduce((n, d) => n * d, 1)
  const numbers = Array.from({ length: size }, () => own.normal())
  return kind === 'vector' ? { to: numbers } : { add: numbers }
}

/** Random prompts and sources of the same lengths that share their beginning, padded or not. */
function randomPrompts(own: Random, vocabulary: number, side: 'left' | 'right' | undefined): [Tokens, Tokens] {
  const lengths = side ? [7, 4, 6] : [6, 6, 6]
  const rows = lengths.map((length) => Array.from({ length }, () => own.integer(vocabulary)))
  const others = rows.map((row) => row.map((id, p) => (p < 2 ? id : own.integer(vocabulary))))
  return [Tokens.padded(rows, 0, side ?? 'right'), Tokens.padded(others, 0, side ?? 'right')]
}

const metrics = (blocks: number): Metric[] => [
  logitDiff([1, 2, 3], [4, 5, 1]),
  logProb(3, { position: -2 }),
  probability([7, 1, 2], { position: 1 }),
  loss(),
  klToClean(),
  cosine(`blocks.${blocks - 1}.hook_resid_pre`),
  cosine('ln_final.hook_normalized', { position: 2 }),
]

/** Points that random edits use: inputs of single heads take ln1's points another shape. */
function editable(view: HookedModel): HookPoint[] {
  return view.hookPoints.filter(({ name }) => !/hook_(attn_in|[qkv]_input)$|unembed\.hook_out$/.test(name))
}

async function compare(view: HookedModel, seed: number, side: 'left' | 'right' | undefined, count = 10): Promise<void> {
  const own = random(seed)
  const [tokens, source] = randomPrompts(own, view.config.dVocab, side)
  const points = editable(view)
  const drawn = Array.from({ length: count }, () =>
    Array.from({ length: draw(own, [1, 1, 2, 3]) }, () => randomEdit(own, view, points, tokens)),
  )
  const groups = isFull() ? drawn : drawn.slice(0, count / 2)
  const all = metrics(view.config.nLayers)
  // each family and way of padding has other two of them
  for (const metric of [all[seed % all.length]!, all[(seed + 3) % all.length]!]) {
    const result = await view.sweep(tokens, { interventions: groups, metric, source, onProgress: false })
    const clean = plainMetric(view, tokens, [], metric, { source })
    const baseline = result.baseline.values
    clean.forEach((value, b) => expect(baseline[b], `${metric.name}, clean`).to.be.closeTo(value, NOISE))
    groups.forEach((edits, i) => {
      const expected = plainMetric(view, tokens, edits, metric, { source })
      expected.forEach((value, b) => {
        const what = `${metric.name} of prompt ${b} under ${JSON.stringify(edits)}`
        const change = value - clean[b]!
        if (Number.isNaN(change)) return expect(result.at(i, b), what).to.be.NaN
        expect(result.at(i, b), what).to.be.closeTo(change, NOISE * (1 + Math.abs(change)))
      })
    })
  }
}

describe('a sweep', () => {
  for (const [f, family] of families.entries()) {
    describe(`of ${family}`, () => {
      let model: HookedModel
      before(async () => void (model = await loadModel(recordFolder(family))))
      after(() => model.dispose())

      for (const side of [undefined, 'left', 'right'] as const) {
        it(`gives what whole runs give${side ? `, padded on the ${side}` : ''}`, () =>
          compare(model, 10 + 7 * f + (side?.length ?? 0), side))
      }

      it('gives what whole runs give, with SAEs at residual streams, heads and outputs', async () => {
        const { nLayers, dModel, nHeads, dHead } = model.config
        const last = nLayers - 1
        const saes: Sae[] = [
          randomSae({ hookName: `blocks.${last}.hook_resid_pre`, dIn: dModel, dSae: 24 }, 3),
          randomSae({ hookName: 'blocks.0.attn.hook_z', dIn: nHeads * dHead, dSae: 24, flattenHeads: true }, 4),
          randomSae({ hookName: 'blocks.0.hook_resid_post', dIn: dModel, dSae: 24 }, 5),
          randomSae({ hookName: 'blocks.0.hook_attn_out', dIn: dModel, dSae: 24 }, 6),
        ]
        try {
          for (const [i, errorTerm] of [true, false].entries()) {
            const views = [model.withSaes(saes[0]!, { errorTerm }), model.withSaes(saes, { errorTerm })]
            for (const [v, view] of views.entries())
              await compare(view, 50 + 10 * f + 2 * i + v, v ? 'left' : undefined, 8)
          }
        } finally {
          saes.forEach((sae) => sae.dispose())
        }
      })
    })
  }

  describe('with SAEs that sit at one point, or read and write at two', () => {
    let model: HookedModel
    before(async () => void (model = await loadModel(recordFolder('gpt2'))))
    after(() => model.dispose())

    /** Loads random weights of the sizes that the kind asks for. */
    function filled<T extends Sae>(sae: T, seed: number): T {
      const shapes = Object.entries(sae.weightShapes())
      const weights = Object.fromEntries(shapes.map(([name, shape], i) => [name, randomTensor(shape, seed + i)]))
      sae.load(weights)
      tf.dispose(weights)
      return sae
    }

    for (const errorTerm of [true, false]) {
      it(`gives what whole runs give, ${errorTerm ? 'with' : 'without'} error terms`, async () => {
        const { dModel, nLayers } = model.config
        const at = { hookName: 'blocks.1.hook_resid_pre', dIn: dModel, dSae: 24 }
        const between = { ...at, architecture: 'transcoder' as const, dOut: dModel, applyBDecToInput: false }
        const across = (from: string, to: string) => new Transcoder({ config: smallConfig({ ...between, hookName: from, hookNameOut: to }) }) // prettier-ignore
        const saes = [
          randomSae(at, 3),
          randomSae(at, 7),
          filled(new TopKSae({ config: smallConfig({ ...at, architecture: 'topk', k: 5, hookName: 'blocks.0.hook_mlp_out' }) }), 5), // prettier-ignore
          randomSae({ ...at, hookName: 'blocks.2.hook_resid_mid', normalization: 'layer_norm' }, 6),
          filled(across('blocks.1.ln2.hook_normalized', 'blocks.1.hook_mlp_out'), 8),
          filled(across('blocks.0.hook_resid_mid', `blocks.${nLayers - 1}.hook_attn_out`), 9),
        ]
        try {
          const chained = model.withSaes(saes.slice(0, 2), { errorTerm })
          const others = model.withSaes(saes.slice(2, 5), { errorTerm })
          const far = model.withSaes(saes[5]!, { errorTerm })
          for (const [i, view] of [chained, others, far].entries()) {
            for (const seed of [0, 1, 2]) await compare(view, 200 + 10 * i + seed, seed === 1 ? 'left' : undefined, 12)
          }
        } finally {
          saes.forEach((sae) => sae.dispose())
        }
      })
    }
  })
})
