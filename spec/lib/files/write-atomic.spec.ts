import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { FileError } from '../../../lib/errors/errors.js'
import { writeFileAtomic } from '../../../lib/files/write-atomic.js'

describe('files', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tfjs-lens-'))
  })
  afterEach(() => rm(folder, { recursive: true }))

  const failure = async (path: string): Promise<unknown> => writeFileAtomic(path, 'x').catch((error: unknown) => error)

  it('makes the folders, writes text or bytes and leaves nothing else', async () => {
    await writeFileAtomic(join(folder, 'a', 'b', 'text.json'), '{"é":1}')
    await writeFileAtomic(join(folder, 'a', 'b', 'bytes'), Uint8Array.of(0, 255))
    expect(await readFile(join(folder, 'a', 'b', 'text.json'), 'utf8')).to.equal('{"é":1}')
    expect([...(await readFile(join(folder, 'a', 'b', 'bytes')))]).to.deep.equal([0, 255])
    expect((await readdir(join(folder, 'a', 'b'))).sort()).to.deep.equal(['bytes', 'text.json'])
  })

  it('replaces a file', async () => {
    const path = join(folder, 'x')
    await writeFileAtomic(path, 'a longer first text')
    await writeFileAtomic(path, 'second')
    expect(await readFile(path, 'utf8')).to.equal('second')
  })

  it('takes a name as long as the file system does', async () => {
    const path = join(folder, 'x'.repeat(255))
    await writeFileAtomic(path, '')
    expect(await readdir(folder)).to.deep.equal(['x'.repeat(255)])
  })

  it('says which file it cannot write, and leaves nothing behind', async () => {
    await mkdir(join(folder, 'taken'))
    const error = await failure(join(folder, 'taken'))
    expect(error).to.be.instanceOf(FileError)
    expect(String(error)).to.match(/write: cannot write '.*taken' \(.+\)\. Name a file in a folder you can write to\./)
    expect(await readdir(folder)).to.deep.equal(['taken'])
  })

  it('does not take a file for a folder', async () => {
    await writeFile(join(folder, 'file'), '')
    expect(await failure(join(folder, 'file', 'inside'))).to.be.instanceOf(FileError)
    expect(await readFile(join(folder, 'file'), 'utf8')).to.equal('')
  })
})
