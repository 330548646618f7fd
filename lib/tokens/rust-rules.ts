/**
 * Where @huggingface/tokenizers 0.2 reads a tokenizer.json otherwise than the Rust tokenizers that models are trained
 * with, and how to bring it back. Each rule was compared with Rust's tokenizers 0.22.
 */
import { wordPattern } from './byte-level.js'

/** What is used of the package's tokenizer (its own declarations do not resolve in an ESM project). */
export interface PackageTokenizer {
  readonly pre_tokenizer: PreTokenizer | null
  readonly decoder: Decoder | null
  encode(text: string, options?: { add_special_tokens: boolean }): { ids: (number | undefined)[] }
  decode(ids: readonly number[], options: { clean_up_tokenization_spaces: boolean }): string
}

interface PreTokenizer {
  readonly config?: { readonly type: string; readonly individual_digits?: boolean }
  readonly tokenizers?: readonly (PreTokenizer | null)[]
  pattern?: RegExp
}

interface Decoder {
  readonly config?: { readonly type: string }
  readonly decoders?: readonly Decoder[]
  text_decoder?: TextDecoder
}

/** Corrects the parts of one tokenizer, in place. */
export function followRust(tokenizer: PackageTokenizer): void {
  correctPreTokenizer(tokenizer.pre_tokenizer)
  correctDecoder(tokenizer.decoder)
}

function correctPreTokenizer(step: PreTokenizer | null): void {
  step?.tokenizers?.forEach(correctPreTokenizer)
  if (step?.config?.type === 'ByteLevel') step.pattern = wordPattern
  // The package knows the digits of ASCII only; Rust takes every number of Unicode, such as ½ or ٣.
  if (step?.config?.type === 'Digits') step.pattern = step.config.individual_digits ? eachNumber : numbers
}

const eachNumber = /\P{N}+|\p{N}/gu
const numbers = /\P{N}+|\p{N}+/gu

function correctDecoder(step: Decoder | null): void {
  step?.decoders?.forEach(correctDecoder)
  if (step?.config?.type === 'ByteFallback') step.text_decoder = new RunDecoder()
}

/** A run of byte tokens is read as a whole: UTF-8, or else one U+FFFD a byte. A BOM is text like any other. */
class RunDecoder extends TextDecoder {
  readonly #strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

  override decode(bytes: Uint8Array): string {
    try {
      return this.#strict.decode(bytes)
    } catch {
      return '\uFFFD'.repeat(bytes.length)
    }
  }
}
