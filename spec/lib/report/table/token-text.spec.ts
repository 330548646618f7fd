import { expect } from 'chai'
import {
  escapeHtml,
  shorten,
  shortenMiddle,
  visibleControls,
  visibleToken,
} from '../../../../lib/report/table/token-text.js'

describe('token-text', () => {
  it('shows what a token hides', () => {
    expect(visibleToken(' Mary')).to.equal('·Mary')
    expect(visibleToken('  ')).to.equal('··')
    expect(visibleToken('a b ')).to.equal('a b·')
    expect(visibleToken('\n\n')).to.equal('⏎⏎')
    expect(visibleToken('\r\n\tx')).to.equal('⏎⇥x')
    expect(visibleToken('\r')).to.equal('\\x0d')
    expect(visibleToken('\u00a0')).to.equal('\\xa0')
  })

  it('takes the power from what steers a terminal or turns text around', () => {
    expect(visibleToken('\x1b[31m\x07')).to.equal('\\x1b[31m\\x07')
    expect(visibleToken('\u202eabc\u2066')).to.equal('\\u202eabc\\u2066')
    expect(visibleToken('a\u200db\ufeff\u2028')).to.equal('a\\u200db\\ufeff\\u2028')
    expect(visibleToken('\u{e0041}')).to.equal('\\u{e0041}')
    expect(visibleToken('\ud83d')).to.equal('\\ud83d')
  })

  it('keeps letters of all scripts, emoji and the replacement character', () => {
    for (const token of ['é', '日本', 'שלום', '😀', '\ufffd', '·', '<b>']) expect(visibleToken(token)).to.equal(token)
  })

  it('does the same when applied twice', () => {
    for (const token of [' a\n', '\x1b', '\u202e', ' \\x1b ']) {
      expect(visibleToken(visibleToken(token))).to.equal(visibleToken(token))
    }
  })

  it('leaves ordinary spaces when only controls are asked for', () => {
    expect(visibleControls('  a b \n')).to.equal('  a b ⏎')
  })

  it('escapes HTML', () => {
    expect(escapeHtml(`<a b="c" d='e'>&amp;`)).to.equal('&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;amp;')
  })

  it('shortens without cutting a character in two', () => {
    expect(shorten('😀😀😀', 2)).to.equal('😀…')
    expect(shorten('ab', 2)).to.equal('ab')
    expect(shortenMiddle('blocks.2 latent 37', 9)).to.equal('bloc…t 37')
    expect(shortenMiddle('😀a😀b😀', 4)).to.equal('😀a…😀')
    expect(shortenMiddle('abc', 1)).to.equal('…')
  })
})
