/** Statistics of several SAEs as one result, so that only one SAE need be in memory at a time. */
import { ArgumentError } from '../../lib/errors/errors.js'
import { latentAxis, type SaeLatents } from '../sae-latents.js'
import { checkStatistics, LatentStatistics } from './latent-statistics-result.js'

/**
 * One result of those of `latentStatistics`, or of `latentProperties`, each of other SAEs of the same model: what
 * `latentStatistics` gives of a view that has them all. Notes are given with their SAE.
 *
 * @example
 * for (const id of ids) {
 *   using sae = await loadSae(release, id)
 *   parts.push(await latentStatistics(model.withSaes(sae)))
 * }
 * const all = joinStatistics(parts)
 * @throws ArgumentError for none, for results of different kinds or models, or for two SAEs of one hook point
 */
export function joinStatistics(parts: readonly LatentStatistics[]): LatentStatistics {
  const [one, ...others] = parts
  if (!one) throw new ArgumentError('joinStatistics: there are no results. Give at least one of latentStatistics.')
  for (const part of parts) checkStatistics('joinStatistics', part)
  for (const other of others) checkLike(one, other)
  const saes = joinedSaes(parts)
  const values = new Float32Array(parts.reduce((sum, part) => sum + part.values.length, 0))
  parts.reduce((at, part) => (values.set(part.values, at), at + part.values.length), 0)
  return new LatentStatistics({
    ...one,
    values,
    axes: [latentAxis(saes), ...one.axes.slice(1)],
    provenance: { ...one.provenance, saes: parts.flatMap(({ provenance }) => provenance.saes ?? []) },
    notes: parts.flatMap(({ notes, saes }) =>
      notes.map((note) => `${saes.map(({ label }) => label).join(', ')}: ${note}`),
    ),
    extra: { ...one.extra, saes },
  })
}

/** The SAEs of all parts, the latents of each after those before. @throws ArgumentError for two of one hook point */
function joinedSaes(parts: readonly LatentStatistics[]): SaeLatents[] {
  let first = 0
  const saes = parts
    .flatMap((part) => part.saes)
    .map((sae) => {
      const moved = { ...sae, first }
      first += sae.latents.length
      return moved
    })
  const hooks = saes.map(({ hook }) => hook)
  const twice = hooks.find((hook, i) => hooks.indexOf(hook) !== i)
  if (twice === undefined) return saes
  throw new ArgumentError(`joinStatistics: two results have an SAE at ${twice}. Give one of each hook point.`)
}

function checkLike(one: LatentStatistics, other: LatentStatistics): void {
  const names = ({ axes }: LatentStatistics) => axes[1]?.labels.join()
  if (about(one) === about(other) && names(one) === names(other)) return
  throw new ArgumentError(
    `joinStatistics: one result is ${about(one)}, another ${about(other)}. Give results of one kind and model.`,
  )
}

const about = ({ kind, cosine, provenance }: LatentStatistics): string =>
  `${kind}${cosine ? ' by cosine' : ''} of ${provenance.model}`
