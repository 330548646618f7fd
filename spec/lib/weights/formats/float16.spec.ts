/** f16 and bf16 decoding: every one of the 65,536 patterns of each. */
import { expect } from 'chai'
import { decodeBfloat16, decodeFloat16, float16Bits } from '../../../../lib/weights/formats/float16.js'
import { bfloatByFormula, halfByFormula } from '../../../support/weight-files.js'

const every = Uint16Array.from({ length: 65536 }, (_, i) => i)

function differing(values: Float32Array, formula: (bits: number) => number): number[] {
  return [...every].filter((bits) => !Object.is(values[bits], formula(bits)))
}

describe('lib/weights/formats/float16', () => {
  it('decodes every f16 to the value its definition gives, -0, subnormals, infinities and NaN included', () => {
    const values = new Float32Array(65536)
    decodeFloat16(every, values)
    expect(differing(values, halfByFormula)).to.deep.equal([])
    expect([values[0x0001], values[0x7bff], values[0x3555]]).to.deep.equal([2 ** -24, 65504, 0.333251953125])
  })

  it('decodes every bf16 to the value its definition gives', () => {
    const values = new Float32Array(65536)
    decodeBfloat16(every, values)
    expect(differing(values, bfloatByFormula)).to.deep.equal([])
    expect([values[0x0001], values[0x3f80], values[0xc049]]).to.deep.equal([2 ** -133, 1, -3.140625])
  })

  it('keeps sign and payload of NaNs, the signalling ones too', () => {
    const bits = new Uint32Array(4)
    const values = new Float32Array(bits.buffer)
    decodeFloat16(Uint16Array.of(0x7c01, 0xfe03), values)
    decodeBfloat16(Uint16Array.of(0x7f81, 0xffc3), values, 2)
    expect([...bits].map((b) => b.toString(16))).to.deep.equal(['7f802000', 'ffc06000', '7f810000', 'ffc30000'])
    expect(float16Bits(0x7c01).toString(16)).to.equal('7f802000')
  })

  it('writes at the place asked for and nowhere else, also in a view with an offset', () => {
    const all = new Float32Array(6).fill(7)
    const view = all.subarray(1)
    decodeFloat16(Uint16Array.of(0x3c00, 0xbc00), view, 1)
    decodeBfloat16(Uint16Array.of(0x4000), view, 3)
    expect([...all]).to.deep.equal([7, 7, 1, -1, 2, 7])
  })
})
