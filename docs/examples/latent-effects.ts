/**
 * Do gradients tell which SAE latents matter? The estimated effect of removing each latent (attribution patching, one
 * backward pass) beside the exact one (a run for each). Run it: npx tsx docs/examples/latent-effects.ts
 */
import { latents, loadModel, loadSae, logitDiff } from 'tfjs-lens'
import { ablation, attributionPatching } from 'tfjs-lens/analyses'
import { Table } from 'tfjs-lens/report'

const prompts = [
  'Carl and Eva were good friends. When Carl and Eva went to the hill, Eva gave a stone to',
  'Kate and Emma were good friends. When Kate and Emma went to the lake, Emma gave a hat to',
]
const metric = logitDiff([' Carl', ' Kate'], [' Eva', ' Emma'])

using model = await loadModel()
using sae = await loadSae('pocket-res', 'blocks.3.hook_resid_pre')
const view = model.withSaes(sae, { errorTerm: true })

const estimated = (await attributionPatching(view, prompts, { metric, position: -1 })).mean('prompt')
const largest = estimated.top(12).map(({ index }) => index[0]!)
const exact = (await ablation(view, prompts, { metric, target: latents(sae, ...largest), position: -1 })).mean('prompt')

const rows = largest.map((latent, i) => [`latent ${latent}`, estimated.at(latent), exact.at(i)])
new Table(['', 'gradient × (0 − activation)', 'ablated'], rows, {
  title: `Change of the logit difference without a latent at ${sae.hookName}`,
}).print()
console.log(
  `correlation ${correlation(
    largest.map((s) => estimated.at(s)),
    [...exact.values],
  ).toFixed(3)}`,
)

function correlation(x: readonly number[], y: readonly number[]): number {
  const centred = (values: readonly number[]) => {
    const mean = values.reduce((sum, v) => sum + v, 0) / values.length
    return values.map((v) => v - mean)
  }
  const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, v, i) => sum + v * b[i]!, 0)
  const [a, b] = [centred(x), centred(y)]
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))
}
