/** Highlighted text: colours by value, marks without colours, nothing active from tokens. */
import { Ansis } from 'ansis'
import { expect } from 'chai'
import { highlightHtml, highlightText } from '../../../../lib/report/page/highlight.js'

const tokens = [' the', '\n', 'cat<b>', ' ']
const values = [0, 1, 2, -2]

describe('highlight', () => {
  it('in a terminal without colours marks the token', () => {
    expect(highlightText({ tokens, values, mark: 2 }, new Ansis(0))).to.equal(' the⏎«cat<b>» ')
    expect(highlightText({ tokens: ['\x1b[31m', '\u202e'], values: [1, 1] }, new Ansis(0))).to.equal('\\x1b[31m\\u202e')
  })

  it('in a terminal with colours paints from white to the colour, negative values blue', () => {
    const text = highlightText({ tokens, values, mark: 2 }, new Ansis(3))
    const painted = (rgb: string, token: string) => `\x1b[48;2;${rgb}m\x1b[38;2;0;0;0m${token}`
    expect(text.startsWith(` the${painted('150;208;150', '⏎')}`)).to.equal(true)
    expect(text)
      .to.include(`\x1b[1m\x1b[4m${painted('44;160;44', 'cat<b>')}`)
      .and.include(painted('31;119;180', ' '))
    expect(highlightText({ tokens: ['a'], values: [5], max: 10, colour: 'orange' }, new Ansis(3))).to.include('48;2;255;191;135') // prettier-ignore
  })

  it('in HTML shows values on hover and escapes everything', () => {
    expect(highlightHtml({ tokens, values, mark: 2 })).to.equal(
      '<span title="0">·the</span>' +
        '<span title="1" style="background:rgba(44,160,44,0.325)">⏎</span>' +
        '<span title="2" style="background:rgba(44,160,44,0.650)"><b><u>cat&lt;b&gt;</u></b></span>' +
        '<span title="-2" style="background:rgba(31,119,180,0.650)">·</span>',
    )
    expect(highlightHtml({ tokens: ['a'], values: [NaN] })).to.equal('<span title="NaN">a</span>')
    expect(highlightHtml({ tokens: ['a'], values: [0.25], max: 0 })).to.equal('<span title="0.25">a</span>'.replace('0.25', '0.2500')) // prettier-ignore
  })
})
