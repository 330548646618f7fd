/** Statistics of several SAEs as one result, so that only one SAE need be in memory at a time. */
import { ArgumentError } from '../../lib/errors/errors.js'
import type { JsonObject } from '../../lib/report/result/json.js'
import { Result } from '../../lib/report/result/result.js'
import { latentAxis, saesOf } from './latent-statistics.js'

/**
 * One result of those of `latentStatistics`, or of `latentProperties`, each of other SAEs of the same model: what
 * `latentStatistics` gives of a view that has them all. Notes are told with their SAE.
 *
 * `for (const id of ids) { using sae = await loadSae(release, id); parts.push(await latentStatistics(model.withSaes(sae))) }`
 * @throws ArgumentError for none, for results of different kinds or models, or for two SAEs of one hook point
 */
export function joinStatistics(parts: readonly Result[]): Result {
  const [one, ...others] = parts
  if (!one) throw new ArgumentError('joinStatistics: there are no results. Give at least one of latentStatistics.')
  for (const other of others) checkLike(one, other)
  let first = 0
  const saes = parts
    .flatMap((part) => saesOf('joinStatistics', part))
    .map((sae) => {
      const moved = { ...sae, first }
      first += sae.latents.length
      return moved
    })
  const hooks = saes.map(({ hook }) => hook)
  const twice = hooks.find((hook, i) => hooks.indexOf(hook) !== i)
  if (twice !== undefined) throw new ArgumentError(`joinStatistics: two results have an SAE at ${twice}. Give one of each hook point.`) // prettier-ignore
  const values = new Float32Array(first * one.axes[1]!.labels.length)
  parts.reduce((at, part) => (values.set(part.values, at), at + part.values.length), 0)
  return new Result({
    ...one,
    values,
    axes: [latentAxis(saes), one.axes[1]!],
    provenance: { ...one.provenance, saes: parts.flatMap(({ provenance }) => provenance.saes ?? []) },
    notes: parts.flatMap((part) => part.notes.map((note) => `${saesOf('joinStatistics', part).map(({ label }) => label).join(', ')}: ${note}`)), // prettier-ignore
    extra: { ...one.extra, saes: saes as unknown as JsonObject[] },
  })
}

function checkLike(one: Result, other: Result): void {
  const about = (result: Result) => `${result.kind}${result.extra['cosine'] ? ' by cosine' : ''} of ${result.provenance.model}` // prettier-ignore
  if (about(one) === about(other) && one.axes[1]?.labels.join() === other.axes[1]?.labels.join()) return
  throw new ArgumentError(`joinStatistics: one result is ${about(one)}, another ${about(other)}. Give results of one kind and model.`) // prettier-ignore
}
