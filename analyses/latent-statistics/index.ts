/** Numbers of each latent of some SAEs, and how to query and draw them. */
export {
  statisticAnimation,
  statisticAreas,
  statisticBoxes,
  statisticByLayer,
  statisticHistogram,
  statisticScatter,
  type StatisticAnimationOptions,
  type StatisticBoxOptions,
  type StatisticHistogramOptions,
  type StatisticScatterOptions,
} from './figures.js'
export { joinStatistics } from './join-statistics.js'
export { latentDensity, LatentDensity, type LatentDensityOptions } from './latent-density.js'
export { latentProperties, latentPropertyNames, type LatentPropertiesOptions } from './latent-properties.js'
export {
  latentStatistics,
  latentStatisticNames,
  type LatentStatistic,
  type LatentStatisticsOptions,
} from './latent-statistics.js'
export { LatentStatistics } from './latent-statistics-result.js'
export { neuronpediaListUrl, type NeuronpediaSae } from './neuronpedia-list.js'
export { latentsBy, summarizeStatistic, type LatentQuery } from './queries.js'
export { RankedLatents, type LatentPlace, type RankedLatent } from './ranked-latents.js'
