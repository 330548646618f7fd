/** How active latents are on prompts. */
export { latentMaxima, latentsAt, type LatentMaximaOptions, type LatentsAtOptions } from './latent-activations.js'
export { LatentMaxima } from './latent-maxima.js'
export { topLatents, TopLatents, type TopLatentsOptions } from './top-latents.js'
