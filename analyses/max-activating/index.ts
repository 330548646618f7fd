/** The text that activates latents most. */
export { latentPeaks, type LatentPeaksOptions } from './latent-peaks.js'
export { LatentPeaks, type FoundPeaks, type LatentPeak } from './latent-peaks-result.js'
export { maxActivating, type MaxActivatingOptions } from './max-activating.js'
export {
  MaxActivating,
  type MaxActivatingAbout,
  type MaxActivatingExample,
  type SourceAttribution,
} from './max-activating-result.js'
export { peakExamples, type PeakExamplesOptions } from './peak-examples.js'
