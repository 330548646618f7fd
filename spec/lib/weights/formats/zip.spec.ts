/** Zip archives through their directory: members come out whole, and a directory that lies is refused. */
import { expect } from 'chai'
import { FileError } from '../../../../lib/errors/errors.js'
import { ZipArchive } from '../../../../lib/weights/formats/zip.js'
import { refusalOf } from '../../../support/refusal.js'
import { bytes, zip, type MemberText, type ZipText } from '../../../support/torch-files.js'
import { MemoryFile, seededRandom } from '../../../support/weight-files.js'

const long = bytes(...Array.from({ length: 5000 }, (_, i) => `line ${i % 7}\n`))
const open = (content: Uint8Array) => ZipArchive.open(new MemoryFile(content))

async function contentOf(archive: ZipArchive, name: string): Promise<Uint8Array> {
  const member = await archive.member(name)
  return member.read(0, member.size)
}

describe('lib/weights/formats/zip', () => {
  const forms: [string, Partial<MemberText>, ZipText][] = [
    ['stored members', {}, {}],
    ['deflated members', { deflate: true }, {}],
    ['64-bit sizes', { wide: true }, {}],
    ['a 64-bit directory', {}, { wide: true }],
    ['both, deflated', { wide: true, deflate: true }, { wide: true }],
    ['a comment with a false end in it', {}, { comment: 'PK\u0005\u0006 and more than twenty-two characters' }],
  ]
  for (const [what, form, options] of forms) {
    it(`reads ${what}`, async () => {
      const archive = await open(zip({ 'a/long': { content: long, ...form }, 'é': { content: bytes('b'), ...form } }, options)) // prettier-ignore
      expect(archive.names).to.deep.equal(['a/long', 'é'])
      expect(archive.sizeOf('a/long')).to.equal(long.length)
      expect(await contentOf(archive, 'a/long')).to.deep.equal(long)
      expect(await contentOf(archive, 'é')).to.deep.equal(bytes('b'))
      const member = await archive.member('a/long')
      expect(await member.read(14, 5)).to.deep.equal(long.slice(14, 19))
      expect(await refusalOf(() => member.read(long.length - 1, 2))).to.match(/It ends at \d+\.$/)
    })
  }

  it('reads an archive without members, and says what it has not', async () => {
    expect((await open(zip({}))).names).to.deep.equal([])
    const archive = await open(zip({ 'a/data.pkl': long }))
    expect(archive.sizeOf('data.pkl')).to.equal(undefined)
    expect(await refusalOf(() => archive.member('a/data.pk'))).to.match(/no member 'a\/data\.pk'.*Did you mean 'a\/data\.pkl'/) // prettier-ignore
  })

  type Says = MemberText['says']
  const lies: [string, Says, RegExp][] = [
    ['a stored size that is not the size', { size: 3 }, /member 'b' has 3 bytes in 35000\. No packing does that/],
    ['more bytes than deflate can make', { method: 8, size: 2 ** 31 }, /member 'b' has 2147483648 bytes in 35000/],
    ['another member’s place', { header: 0 }, /member '[ab]' reaches into what follows it/],
    ['a place behind the directory', { header: 2 ** 31 }, /member 'b' reaches into what follows it/],
    ['encryption', { flags: 1 }, /member 'b' is encrypted\. Plain members are read/],
    ['another packing', { method: 12 }, /member 'b' is packed by method 12\. Stored and deflated ones are read/],
    ['another member’s name', { name: 'a' }, /two members 'a'\. Names must differ/],
    ['a size beyond 2^53', { size: 2 ** 60, storedSize: 2 ** 60 }, /member 'b' has no size/],
  ]
  for (const [what, says, words] of lies) {
    it(`refuses a directory that claims ${what}`, async () => {
      const file = zip({ a: long, b: { content: long, says: says!, wide: (says!.size ?? 0) > 2 ** 32 } })
      expect(await refusalOf(() => open(file))).to.match(words)
    })
  }

  it('refuses a member that is not where the directory says, when it is read', async () => {
    for (const says of [{ header: 1 }, { name: 'c' }, { method: 8 }]) {
      const archive = await open(zip({ a: { content: long, says } }))
      const said = await refusalOf(() => archive.member(archive.names[0]!))
      expect(said).to.match(/is not where the directory says\. It is damaged\.$/)
    }
  })

  it('refuses a member that unpacks to more or less than it says, or not at all', async () => {
    const packed = (says: Says) => zip({ a: { content: long, deflate: true, says: says! } })
    const said = async (file: Uint8Array) => refusalOf(async () => (await open(file)).member('a'))
    expect(await said(packed({ size: 100 }))).to.match(
      /it unpacks to more than it should\. Its directory says 100 bytes/,
    )
    expect(await said(packed({ size: 36000 }))).to.match(/it unpacks to 35000 bytes\. Its directory says 36000 bytes/)
    const damaged = packed({})
    damaged.fill(0xff, 31, 60)
    expect(await said(damaged)).to.match(/it cannot be unpacked/)
  })

  const ends: [string, Uint8Array, RegExp][] = [
    ['nothing', bytes(), /there is no zip directory at its end\. It is truncated, or not a zip archive/],
    ['text', bytes('PK and then some text'), /there is no zip directory/],
    ['a truncated archive', zip({ a: long }).slice(0, -1), /there is no zip directory/],
    ['bytes behind the end', bytes(zip({ a: long }), 'x'), /there is no zip directory/],
    ['another count', zip({ a: long }, { says: { count: 2 } }), /1 members, and says 2/],
    ['another place of the directory', zip({ a: long }, { says: { begin: 3 } }), /a directory of \d+ bytes at 3\. It should end at byte/],
    ['a directory of another size', zip({ a: long }, { says: { size: 3 } }), /a directory of 3 bytes/],
    ['a 64-bit directory elsewhere', zip({ a: long }, { wide: true, says: { begin: 2 ** 50 } }), /It should end at byte/],
  ] // prettier-ignore
  for (const [what, file, words] of ends) {
    it(`refuses ${what}`, async () => expect(await refusalOf(() => open(file))).to.match(words))
  }

  it('ends in members or a FileError for any damage', async () => {
    const random = seededRandom(3)
    const sound = zip(
      { a: bytes('abc'), b: { content: long.slice(0, 400), deflate: true, wide: true } },
      { wide: true },
    )
    let refused = 0
    for (let round = 0; round < 1500; round++) {
      const damaged = sound.slice()
      for (let n = 0; n < 2; n++) damaged[Math.floor(random() * damaged.length)] = Math.floor(random() * 256)
      try {
        const archive = await open(damaged)
        for (const name of archive.names) await contentOf(archive, name)
      } catch (error) {
        if (!(error instanceof FileError)) throw error
        refused++
      }
    }
    expect(refused).to.be.within(700, 1499)
  })
})
