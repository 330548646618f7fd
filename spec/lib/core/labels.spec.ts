/** Labels of tokens: text where there is some, bytes where a token is a part of a character. */
import { expect } from 'chai'
import { tokenLabel } from '../../../lib/core/labels.js'
import { spell, spellText } from '../../../lib/tokens/byte-level.js'
import { gpt2Tokenizer } from '../../../lib/tokens/gpt-tokenizer.js'
import type { Tokenizer } from '../../../lib/tokens/tokenizer.js'

describe('lib/core/labels', () => {
  let tokenizer: Tokenizer
  before(async () => {
    tokenizer = await gpt2Tokenizer()
  })
  const labels = (text: string) => tokenizer.encode(text).map((id) => tokenLabel(tokenizer, id))

  it('shows the text of a token', () => {
    expect(labels(' Mary\n!')).to.deep.equal([' Mary', '\n', '!'])
    expect(labels('café')).to.deep.equal(['c', 'af', 'é'])
    expect(tokenLabel(tokenizer, tokenizer.eosId!)).to.equal('<|endoftext|>')
  })

  it('shows the bytes of a part of a character, and what is whole beside it', () => {
    expect(labels('“')).to.deep.equal(['\\xe2\\x80', '\\x9c'])
    expect(labels(' 😀')).to.deep.equal([' \\xf0\\x9f\\x98', '\\x80'])
  })

  it('shows just the bytes of which every token is made', () => {
    const escapes = /\\x([89a-f][\da-f])/
    for (let id = 0; id < tokenizer.vocabSize; id++) {
      const text = tokenizer.tokenString(id)
      const label = tokenLabel(tokenizer, id)
      if (!text.includes('\ufffd')) expect(label).to.equal(text)
      else {
        const parts = label.split(escapes).map((part, i) => (i % 2 ? spell([parseInt(part, 16)]) : spellText(part)))
        expect(parts.join(''), `token ${id}`).to.equal(tokenizer.vocabularyEntry(id))
      }
    }
  })

  it('shows U+FFFD where it is the text itself, and the id where there is no tokenizer', () => {
    expect(tokenizer.encode('\ufffd').map((id) => tokenLabel(tokenizer, id)).join('')).to.equal('\ufffd') // prettier-ignore
    expect(tokenLabel(undefined, 17)).to.equal('17')
  })
})
