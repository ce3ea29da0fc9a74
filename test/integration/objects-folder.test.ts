/** What only a folder can do wrong: links, rights, full disks, writers that die. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openFolder } from '../../src/adapters/objects/folder.ts'
import type { StorageError } from '../../src/errors.ts'

let folder: string
let root: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'defacto-folder-'))
  root = join(folder, 'root')
})
afterEach(() => rmSync(folder, { recursive: true }))

const text = (value: string): Buffer => Buffer.from(value)

async function failure(call: Promise<unknown>): Promise<StorageError> {
  return (await call.then(
    () => expect.fail('nothing was thrown'),
    (error: unknown) => error,
  )) as StorageError
}

async function listed(store: ReturnType<typeof openFolder>): Promise<string[]> {
  const paths: string[] = []
  for await (const { path } of store.list('')) paths.push(path)
  return paths
}

test('reading makes no folder', async () => {
  const store = openFolder(root)
  await store.get('a')
  await listed(store)
  await store.remove(['a'])
  expect(readdirSync(folder)).toEqual([])
})

test('links that lead out of the root are not followed', async () => {
  const outside = join(folder, 'outside')
  mkdirSync(outside)
  mkdirSync(root)
  writeFileSync(join(outside, 'secret'), 'secret')
  symlinkSync(outside, join(root, 'way'))
  symlinkSync(join(outside, 'secret'), join(root, 'link'))
  const store = openFolder(root)
  for (const path of ['way/secret', 'link']) {
    expect((await failure(store.get(path))).message).toContain('symbolic link')
    expect((await failure(store.get(path, { start: 0, end: 2 }))).message).toContain('symbolic link')
    expect((await failure(store.stat(path))).message).toContain('symbolic link')
    expect((await failure(store.download(path, join(folder, 'out')))).message).toContain('symbolic link')
  }
  expect((await failure(store.put('way/new', text('x')))).message).toContain('symbolic link')
  expect((await failure(store.put('way/deep/new', text('x'), { ifAbsent: true }))).message).toContain('symbolic link')
  expect(await store.put('link', text('x'), { ifAbsent: true })).toEqual({ written: false })
  expect(await store.put('link', text('x'))).toEqual({ written: true })
  expect((await store.remove(['way/secret']))[0]?.reason).toContain('symbolic link')
  expect(await listed(store)).toEqual(['link'])
  expect(readdirSync(outside)).toEqual(['secret'])
})

test('the root itself may be a link', async () => {
  mkdirSync(join(folder, 'real'))
  symlinkSync(join(folder, 'real'), root)
  const store = openFolder(root)
  await store.put('data/a', text('x'), { ifAbsent: true })
  expect(await listed(store)).toEqual(['data/a'])
  expect(readdirSync(join(folder, 'real', 'data'))).toEqual(['a'])
})

test('a folder is no object, and none is written over it', async () => {
  const store = openFolder(root)
  await store.put('a/b', text('x'))
  expect(await store.get('a')).toBeUndefined()
  expect(await store.stat('a')).toBeUndefined()
  expect(await store.get('a/b/c')).toBeUndefined()
  expect(await store.remove(['a', 'a/b/c'])).toEqual([])
  expect((await failure(store.put('a/b/c', text('x')))).message).toContain('a part of the path is a file')
  expect(await listed(store)).toEqual(['a/b'])
})

test('what other programs put there under other names is left out', async () => {
  const store = openFolder(root)
  await store.put('a', text('x'))
  for (const name of ['b c', '.crc%', 'ä']) writeFileSync(join(root, name), '')
  expect(await listed(store)).toEqual(['a'])
})

test('who sees that an object is gone sees what was written before it went', async () => {
  const store = openFolder(root)
  for (const path of ['a', 'b', 'c', 'e', 'x/1']) await store.put(path, text('x'))
  const seen: string[] = []
  for await (const { path } of store.list('')) {
    seen.push(path)
    if (path !== 'a') continue
    for (const added of ['aa', 'd', 'y']) await store.put(added, text('x'))
    await store.remove(['b', 'c'])
  }
  expect(seen).toEqual(['a', 'd', 'e', 'x/1', 'y'])
})

test('nothing unfinished stays behind after a write, done, lost or failed', async () => {
  const store = openFolder(root)
  await store.put('a', text('x'), { ifAbsent: true })
  await store.put('a', text('x'), { ifAbsent: true })
  await failure(store.put('a/b', text('x'), { ifAbsent: true }))
  await failure(store.upload('b', join(folder, 'none')))
  expect(readdirSync(join(root, '.unfinished~'))).toEqual([])
})

test('what dead writers left is cleared away, and nothing of living ones', async () => {
  const store = openFolder(root)
  expect(await store.abandon(0)).toEqual({ removed: 0, pending: [] })
  await store.put('a', text('x'))
  const left = join(root, '.unfinished~', 'left')
  writeFileSync(left, 'half an object')
  utimesSync(left, new Date(), new Date(Date.now() - 2 * 3_600_000))
  writeFileSync(join(root, '.unfinished~', 'living'), 'half an object')
  const pending = [{ path: '.unfinished~/living', reason: 'a writer may still finish it' }]
  expect(await store.abandon(3_600_000)).toEqual({ removed: 1, pending })
  expect(readdirSync(join(root, '.unfinished~'))).toEqual(['living'])
  expect(await store.abandon(0)).toEqual({ removed: 1, pending: [] })
  expect(readdirSync(join(root, '.unfinished~'))).toEqual([])
  expect(await listed(store)).toEqual(['a'])
})

test('a path that is too long, and a root that is a file, are said plainly', async () => {
  const long = await failure(openFolder(root).put('n'.repeat(300), text('x')))
  expect(long.message).toContain('the name is too long')
  expect(long.details).toMatchObject({ operation: 'put', driver: 'ENAMETOOLONG', location: root })
  writeFileSync(join(folder, 'file'), '')
  const file = await failure(openFolder(join(folder, 'file')).put('a', text('x')))
  expect(file.message).toContain('a part of the path is a file')
})

/** A file system of its own, of 256 kB; false where none can be made. */
function mounted(options: string): boolean {
  mkdirSync(root, { recursive: true })
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', root], { stdio: 'ignore' })
    return true
  } catch {
    console.warn('left out: no file system of its own can be made here')
    return false
  }
}
const unmount = (): void => void execFileSync('umount', [root])

test('a full disk is an error that passes, and leaves room and names as they were', async () => {
  if (!mounted('size=256k')) return
  try {
    const store = openFolder(root)
    await store.put('a', text('x'))
    for (const call of [
      () => store.put('big', Buffer.alloc(400_000), { ifAbsent: true }),
      () => store.put('a', Buffer.alloc(400_000)),
      () => {
        writeFileSync(join(folder, 'big'), Buffer.alloc(400_000))
        return store.upload('big', join(folder, 'big'))
      },
    ]) {
      const error = await failure(call())
      expect(error.message).toContain('the disk is full: make room')
      expect(error).toMatchObject({ recoverable: true, code: 'E_STORAGE' })
    }
    expect(await listed(store)).toEqual(['a'])
    expect(Buffer.from((await store.get('a')) ?? []).toString()).toBe('x')
    expect(await store.put('fits', Buffer.alloc(100_000), { ifAbsent: true })).toEqual({ written: true })
  } finally {
    unmount()
  }
})

test('a read-only file system is said plainly, for writes and for each removal', async () => {
  if (!mounted('size=256k')) return
  try {
    const store = openFolder(root)
    await store.put('a', text('x'))
    execFileSync('mount', ['-o', 'remount,ro', root])
    for (const call of [() => store.put('b', text('x')), () => store.put('b', text('x'), { ifAbsent: true })]) {
      const error = await failure(call())
      expect(error.message).toContain('read-only')
      expect(error.recoverable).toBe(false)
    }
    expect(await store.remove(['a', 'none'])).toEqual([{ path: 'a', reason: expect.stringContaining('read-only') }])
    expect(await listed(store)).toEqual(['a'])
  } finally {
    unmount()
  }
})
