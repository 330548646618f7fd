/** The part of wink-pos-tagger that is used; the package has no types of its own. */
declare module 'wink-pos-tagger' {
  interface Tagger {
    /** Tags words as one sentence; `pos` is a tag of the Penn Treebank. */
    tagRawTokens(words: readonly string[]): { readonly pos: string }[]
  }
  const makeTagger: () => Tagger
  export default makeTagger
}
