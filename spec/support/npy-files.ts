/** .npy and .npz files for specs, built by hand from bytes, right or wrong. */
import { bytes, le, zip, type MemberText, type ZipText } from './torch-files.js'

export interface NpyText {
  readonly descr?: string
  readonly fortran?: boolean
  readonly shape: readonly number[]
  readonly data: Uint8Array
  /** @default 1 */
  readonly version?: number
  /** In place of the dict that the rest spells. */
  readonly header?: string
}

/** An .npy file of this header and data, padded to 64 bytes as numpy does it. */
export function npy({ descr = '<f4', fortran = false, shape, data, version = 1, header }: NpyText): Uint8Array {
  const axes = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`
  const order = fortran ? 'True' : 'False'
  const dict = header ?? `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${axes}, }`
  const at = version === 1 ? 10 : 12
  const padded = dict.padEnd(Math.ceil((at + dict.length + 1) / 64) * 64 - at - 1) + '\n'
  return bytes([0x93], 'NUMPY', [version, 0], le(padded.length, version === 1 ? 2 : 4), padded, data)
}

/** An .npz file of these .npy files, deflated on request. */
export function npz(
  arrays: Readonly<Record<string, Uint8Array>>,
  { deflate = false, ...options }: ZipText & { deflate?: boolean } = {},
): Uint8Array<ArrayBuffer> {
  const members = Object.entries(arrays).map(([name, content]): [string, MemberText] => [
    `${name}.npy`,
    { content, deflate, wide: true },
  ])
  return zip(Object.fromEntries(members), options)
}
