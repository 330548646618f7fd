/** The local folder as a source: what it lists and reads, and every name it must not follow. */
import { createHash } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import { mkdir, symlink, truncate } from 'node:fs/promises'
import path from 'node:path'
import { expect } from 'chai'
import { folderSource, readJson, type Source } from '../../../lib/weights/source.js'
import { fileErrorOf, withFolder } from '../../support/weight-files.js'

const files = {
  'config.json': '{"n": 3}',
  'b/z.txt': 'ünï',
  'b/a.txt': 'a',
  'B.bin': Uint8Array.of(1, 2, 3, 4),
  '.hidden': '',
}

describe('lib/weights/source', () => {
  it('lists the files in order, hidden ones left out, and knows what it has', () =>
    withFolder(files, async (folder) => {
      await mkdir(path.join(folder, 'empty'))
      const source = await folderSource(folder)
      expect(source.id).to.equal(folder)
      expect(await source.list()).to.deep.equal(['B.bin', 'b/a.txt', 'b/z.txt', 'config.json'])
      const asked = ['config.json', 'b/z.txt', 'b', 'empty', 'c.json', 'config.json/x', 'b/x/y', 'n'.repeat(5000)]
      const has = await Promise.all(asked.map((file) => source.has(file)))
      expect(has).to.deep.equal([true, true, false, false, false, false, false, false])
    }))

  it('reads texts, JSON, any part of a file, and its SHA-256', () =>
    withFolder(files, async (folder) => {
      const source = await folderSource(folder)
      expect(await source.readText('b/z.txt')).to.equal('ünï')
      expect(await readJson(source, 'config.json')).to.deep.equal({ n: 3 })
      const file = await source.open('B.bin')
      expect([file.name, file.size]).to.deep.equal([`${folder}/B.bin`, 4])
      expect([...(await file.read(1, 2))]).to.deep.equal([2, 3])
      expect([...(await file.read(4, 0))]).to.deep.equal([])
      await file.close()
      const expected = createHash('sha256')
        .update(Uint8Array.of(1, 2, 3, 4))
        .digest('hex')
      expect(await source.sha256('B.bin')).to.equal(expected)
    }))

  it('refuses parts that a file does not have, a file that shrank, and a closed one', () =>
    withFolder(files, async (folder) => {
      const file = await (await folderSource(folder)).open('B.bin')
      const name = `${folder}/B.bin`
      for (const [offset, length] of [
        [3, 2],
        [5, 0],
        [0, 2 ** 40],
      ] as const) {
        const { message } = await fileErrorOf(() => file.read(offset, length))
        expect(message).to.equal(`read ${name}: ${length} bytes at ${offset}. The file ends at 4.`)
      }
      for (const [offset, length] of [
        [-1, 2],
        [0, -1],
        [0.5, 1],
        [NaN, 1],
      ] as const) {
        expect((await fileErrorOf(() => file.read(offset, length))).message).to.contain('Whole numbers from 0 up')
      }
      await truncate(name, 2)
      const { message } = await fileErrorOf(() => file.read(0, 4))
      expect(message).to.equal(`read ${name}: it now ends at 2, not at 4. It changed while open.`)
      await file.close()
      expect((await fileErrorOf(() => file.read(0, 1))).message).to.match(/^read .*B\.bin: .*closed/)
    }))

  it('says what is there, or near, when a file is missing', () =>
    withFolder(files, async (folder) => {
      const source = await folderSource(folder)
      const near = await fileErrorOf(() => source.open('confg.json'))
      expect(near.message).to.equal(`open: '${folder}' has no file 'confg.json'. Did you mean 'config.json'?`)
      const far = await fileErrorOf(() => source.readText('weights'))
      expect(far.message).to.equal(
        `open: '${folder}' has no file 'weights'. It holds B.bin, b/a.txt, b/z.txt, config.json.`,
      )
      const notAFile = await fileErrorOf(() => source.sha256('b'))
      expect(notAFile.message).to.equal(`sha256: 'b' in '${folder}' is not a file. Name a regular file.`)
    }))

  const tricks: [string, string][] = [
    ['../x', "'../x' has a '..'"],
    ['b/../../x', "'b/../../x' has a '..'"],
    ['b/../config.json', "has a '..'"],
    ['/etc/passwd', "'/etc/passwd' has an absolute path"],
    ['C:/x', 'has an absolute path'],
    ['b\\..\\x', 'has a backslash'],
    ['config.json\0.png', "config.json\\u0000.png' has a NUL character"],
    ['', "'' has an empty name"],
    ['./config.json', "has an empty part or a '.'"],
    ['b//a.txt', "has an empty part or a '.'"],
  ]
  for (const [file, words] of tricks) {
    it(`refuses the name ${JSON.stringify(file)} in every method`, () =>
      withFolder(files, async (folder) => {
        const source = await folderSource(folder)
        const calls: ((source: Source) => Promise<unknown>)[] = [
          (s) => s.has(file),
          (s) => s.open(file),
          (s) => s.readText(file),
          (s) => s.sha256(file),
        ]
        for (const call of calls) {
          const { message } = await fileErrorOf(() => call(source))
          expect(message).to.contain(words)
          expect(message).to.contain(`A plain name of a file inside '${folder}' is needed.`)
        }
      }))
  }

  it('follows links to files, as in the Hugging Face cache, but no linked folder that lies outside', () =>
    withFolder(
      { 'blobs/abc': 'blob', 'snapshot/sub/own.txt': 'own', 'other/secret.txt': 'secret', 'loose.txt': '' },
      async (folder) => {
        const snapshot = path.join(folder, 'snapshot')
        await symlink('../blobs/abc', path.join(snapshot, 'model.txt'))
        await symlink('../other', path.join(snapshot, 'out'))
        await symlink('..', path.join(snapshot, 'up'))
        await symlink('sub', path.join(snapshot, 'in'))
        await symlink('nowhere', path.join(snapshot, 'dangling'))
        await symlink('snapshot', path.join(folder, 'linked-root'))
        for (const root of [snapshot, path.join(folder, 'linked-root')]) {
          const source = await folderSource(root)
          expect(await source.list()).to.deep.equal(['model.txt', 'sub/own.txt'])
          expect(await source.readText('model.txt')).to.equal('blob')
          expect(await source.readText('in/own.txt')).to.equal('own')
          expect(await source.has('dangling')).to.equal(false)
          for (const file of ['out/secret.txt', 'up/loose.txt']) {
            const { message } = await fileErrorOf(() => source.readText(file))
            expect(message).to.match(/^open: '(out|up)\/.*\.txt' leads to '.+'\. A plain name/)
          }
        }
      },
    ))

  it('refuses text that is too large or not UTF-8', () =>
    withFolder({ 'large.json': '', 'latin.txt': Uint8Array.of(0xfc) }, async (folder) => {
      await truncate(path.join(folder, 'large.json'), 2 ** 28 + 1)
      const source = await folderSource(folder)
      const large = await fileErrorOf(() => source.readText('large.json'))
      expect(large.message).to.contain('large.json: it has 268435457 bytes. A text file of up to 268435456 is read.')
      const latin = await fileErrorOf(() => source.readText('latin.txt'))
      expect(latin.message).to.equal(`read ${folder}/latin.txt: it is not UTF-8 text. Is it a text file?`)
    }))

  it('does not wait on a pipe', function () {
    if (process.platform === 'win32') this.skip()
    return withFolder({}, async (folder) => {
      execFileSync('mkfifo', [path.join(folder, 'pipe')])
      const source = await folderSource(folder)
      expect(await source.list()).to.deep.equal([])
      expect((await fileErrorOf(() => source.open('pipe'))).message).to.contain('is not a file')
    })
  })

  it('refuses what is no folder', () =>
    withFolder(files, async (folder) => {
      const words = async (name: string): Promise<string> => (await fileErrorOf(() => folderSource(name))).message
      expect(await words(`${folder}/x`)).to.equal(
        `folderSource: there is no folder '${folder}/x'. Name an existing folder.`,
      )
      expect(await words(`${folder}/B.bin`)).to.equal(
        `folderSource: '${folder}/B.bin' is a file. Name its folder, '${folder}'.`,
      )
      expect(await words('')).to.equal("folderSource: '' is no path. Name a folder.")
      expect(await words('a\0b')).to.equal("folderSource: 'a\\0b' is no path. Name a folder.")
    }))
})
