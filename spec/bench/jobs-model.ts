/** Jobs on the model alone: loading, forward, cache, gradients, direct logit attribution. */
import type * as tf from '@tensorflow/tfjs'
import { directLogitAttribution } from '../../analyses/index.js'
import type { Sae } from '../../saes/index.js'
import type { ActivationCache } from '../../lib/residual/activation-cache.js'
import type { GradientRun, HookedModel } from '../../lib/model.js'
import { meanLoss } from '../../lib/ops/loss.js'
import type { Result } from '../../lib/report/result/result.js'
import type { Tokens } from '../../lib/tokens/tokens.js'
import { forwardFlops, gradientFlops } from './flops.js'
import { finish, job, largest, logitTie, numberOf, numbersAt, type Prepared, type Report } from './job.js'

export const load = job(async (material): Promise<Prepared<HookedModel>> => ({
  run: () => material.loadModel(),
  report(model) {
    const centred = numberOf(() => model.weights.get('embed.W_E').slice([11, 0], [1, -1]).mean())
    const weight = (name: string, begin: number[], size: number[]) => {
      const W = model.copyWeight(name)
      const values = numbersAt(W, begin, size)
      W.dispose()
      return values
    }
    return {
      work: { parameters: model.weights.parameterCount },
      check: {
        W_U: weight('unembed.W_U', [0, 5], [3, 1]),
        W_Q: weight('blocks.3.attn.W_Q', [2, 5, 0], [1, 1, 3]),
        b_O: weight('blocks.6.attn.b_O', [0], [3]),
        W_E_row_mean: Math.abs(centred) < 1e-6,
      },
    }
  },
  dispose: (model) => model.dispose(),
}))

export const loadSae = job(async (material): Promise<Prepared<Sae>> => ({
  run: () => material.loadSae('gpt2-small-sae'),
  report: (sae) => ({
    work: { d_in: sae.config.dIn, d_sae: sae.config.dSae },
    check: {
      W_enc: numbersAt(sae.W_enc, [0, 5], [3, 1]),
      W_dec: numbersAt(sae.W_dec, [5, 0], [1, 3]),
      b_enc: numbersAt(sae.weight('b_enc'), [0], [3]),
    },
  }),
  dispose: (sae) => void sae.dispose(),
}))

/** What every run with logits is compared by. */
export function logitsReport(model: HookedModel, logits: tf.Tensor3D, tokens: Tokens): Report {
  const last = numbersAt(logits, [0, tokens.positions - 1, 0], [-1, 1, -1])
  const rows = tokens.rows.map((_, b) => last.slice(b * model.config.dVocab, (b + 1) * model.config.dVocab))
  const best = rows.map((row) => largest(row, 1, logitTie))
  return {
    work: { logits: logits.shape },
    check: {
      loss: numberOf(() => meanLoss(logits, tokens)),
      last_logits: last.slice(0, 4),
      argmax_last: best.map(({ indices }) => indices[0]!),
    },
    ties: { argmax_last: best.map(({ tied }) => tied[0]!) },
    flops: forwardFlops(model.config, tokens),
  }
}

export const forward = (key: string) =>
  job(async (material): Promise<Prepared<tf.Tensor3D>> => {
    const model = await material.model()
    const tokens = model.toTokens(material.ids(key))
    return {
      run() {
        const logits = model.run(tokens)
        finish(logits)
        return logits
      },
      report: (logits) => logitsReport(model, logits, tokens),
      dispose: (logits) => logits.dispose(),
    }
  })

/** How much a cache holds. */
function cacheSize(...caches: ActivationCache[]) {
  return { entries: caches[0]!.names.length, floats: caches.reduce((sum, cache) => sum + cache.bytes / 4, 0) }
}

export const cacheAll = job(async (material): Promise<Prepared<ActivationCache>> => {
  const model = await material.model()
  const tokens = model.toTokens(material.ids('tokens_8x64'))
  return {
    run() {
      const cache = model.runWithCache(tokens)
      finish(cache.logits)
      return cache
    },
    report(cache) {
      const base = logitsReport(model, cache.logits, tokens)
      const check = {
        ...base.check,
        pattern: numbersAt(cache.get('pattern', 5), [0, 3, 20, 0], [1, 1, 1, 3]),
        mlp_post: numbersAt(cache.get('post', 5), [0, 20, 0], [1, 1, 3]),
        scale_final: numbersAt(cache.get('ln_final.hook_scale'), [0, 0, 0], [1, 3, 1]),
      }
      return { ...base, work: cacheSize(cache), check }
    },
    dispose: (cache) => cache.dispose(),
  }
})

export const cacheResid = job(async (material): Promise<Prepared<ActivationCache>> => {
  const model = await material.model()
  const tokens = model.toTokens(material.ids('tokens_8x64'))
  const last = `blocks.${model.config.nLayers - 1}.hook_resid_post`
  const names = (name: string) => name.endsWith('hook_resid_pre') || name === last
  return {
    run() {
      const cache = model.runWithCache(tokens, { names, logits: false })
      finish(cache.get(last))
      return cache
    },
    report: (cache) => ({
      work: cacheSize(cache),
      check: {
        mean_abs: cache.names.map((name) => numberOf(() => cache.get(name).abs().mean())),
        last: numbersAt(cache.get(last), [0, tokens.positions - 1, 0], [1, 1, 3]),
      },
      flops: forwardFlops(model.config, tokens, false),
    }),
    dispose: (cache) => cache.dispose(),
  }
})

export const gradient = job(async (material): Promise<Prepared<GradientRun>> => {
  const model = await material.model()
  const tokens = model.toTokens(material.ids('tokens_8x64'))
  const metric = material.logitDiff('answers_8x64')
  const names = /hook_resid_pre$|attn\.hook_z$|hook_mlp_out$/
  const some = ['blocks.0.hook_resid_pre', 'blocks.3.attn.hook_z', 'blocks.6.hook_mlp_out', 'blocks.11.hook_resid_pre']
  const norms = (cache: ActivationCache, scale = 1) =>
    Object.fromEntries(some.map((name) => [name, scale * numberOf(() => cache.get(name).norm())]))
  const share = 1 / tokens.batch // gradients are of each prompt's own number, the peer's of their mean
  return {
    run() {
      const run = model.runWithGradients(tokens, { metric, names })
      finish(run.gradients.get('resid_pre', 0))
      return run
    },
    report: (run) => ({
      work: cacheSize(run.cache, run.gradients),
      check: {
        value: numberOf(() => run.value.mean()),
        grad_norm: norms(run.gradients, share),
        act_norm: norms(run.cache),
        grad_resid_pre_6: numbersAt(run.gradients.get('resid_pre', 6), [0, tokens.positions - 1, 0], [1, 1, 3]).map(
          (v) => share * v,
        ),
      },
      flops: gradientFlops(model.config, tokens),
    }),
    dispose: (run) => run.dispose(),
  }
})

export const dla = job(async (material): Promise<Prepared<Result>> => {
  const model = await material.model()
  const tokens = model.toTokens(material.ids('clean_1x16'))
  const [answer, wrong] = material.ids('answer_1x16')[0] as [number, number]
  return {
    run: () => directLogitAttribution(model, tokens, { answer, wrong }),
    report({ axes, values, extra }) {
      const labels = axes[0]!.labels.slice(0, -1) // the last is b_U, which is no component of the peer's
      const { indices, tied } = largest(values.subarray(0, labels.length).map(Math.abs), 5, logitTie)
      return {
        work: { components: labels.length },
        check: {
          logit_diff: (extra['total'] as number[])[0]!,
          attrs_sum_plus_b_U: values.reduce((sum, v) => sum + v, 0),
          top: Object.fromEntries(indices.map((i) => [labels[i]!, values[i]!])),
        },
        ties: { top: tied.at(-1)! },
      }
    },
    dispose: () => undefined,
  }
})
