/** Sets of tokens, and how they gather at one end of what latents do to the logits. */
export { enrichment, type EnrichmentOptions } from './enrichment.js'
export { Enrichment, type EnrichedSet } from './enrichment-result.js'
export { manhattan, topEnriched, type ManhattanOptions, type TopEnrichedOptions } from './figures.js'
export { partOfSpeechSets, type PartOfSpeechOptions } from './part-of-speech-sets.js'
export {
  decadeSets,
  letterSets,
  regexSets,
  tokenPatterns,
  wordSets,
  type TokenSets,
  type WordSetOptions,
} from './token-sets.js'
export { wordLists } from './word-lists.js'
