/** Half-precision numbers to float32, bit for bit: IEEE binary16 (f16) by a table, bfloat16 by shifting. */

let float16Table: Uint32Array | undefined

/**
 * The float32 bits of one f16 (1 sign, 5 exponent, 10 fraction bits; IEEE 754-2008, 3.6). Every f16 is exact in
 * float32. A NaN keeps its sign and payload.
 */
export function float16Bits(half: number): number {
  const sign = (half & 0x8000) << 16
  const exponent = (half >> 10) & 0x1f
  const fraction = half & 0x3ff
  if (exponent === 0x1f) return (sign | 0x7f800000 | (fraction << 13)) >>> 0
  if (exponent > 0) return (sign | ((exponent + 112) << 23) | (fraction << 13)) >>> 0
  if (fraction === 0) return sign >>> 0
  // A subnormal, fraction · 2^-24, is a normal float32: shift its highest bit up to the hidden place.
  const shift = Math.clz32(fraction) - 21
  return (sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13)) >>> 0
}

function buildTable(): Uint32Array {
  const table = new Uint32Array(65536)
  for (let half = 0; half < 65536; half++) table[half] = float16Bits(half)
  return table
}

/** Writes the f16 values `halves` (as their bits) to `out`, from index `at` on. */
export function decodeFloat16(halves: Uint16Array, out: Float32Array, at = 0): void {
  const table = (float16Table ??= buildTable())
  // As integers, since passing a signalling NaN through a number may change its bits.
  const bits = new Uint32Array(out.buffer, out.byteOffset + 4 * at, halves.length)
  for (let i = 0; i < halves.length; i++) bits[i] = table[halves[i]!]!
}

/** Writes the bf16 values `halves` (as their bits) to `out`, from index `at` on: bf16 is the upper half of a float32. */
export function decodeBfloat16(halves: Uint16Array, out: Float32Array, at = 0): void {
  const bits = new Uint32Array(out.buffer, out.byteOffset + 4 * at, halves.length)
  for (let i = 0; i < halves.length; i++) bits[i] = halves[i]! << 16
}
