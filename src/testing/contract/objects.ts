/** What every object storage must do (spec 07 §5.4, `ports/objects.ts`). */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { StorageError } from '../../errors.ts'
import type { ObjectStore, StoredObject } from '../../ports/objects.ts'
import type { TestApi } from './backend.ts'

/** An empty root that can be opened several times, as several processes would. */
export interface ObjectSpace {
  open(): Promise<ObjectStore>
  dispose(): Promise<void>
}

export interface ObjectContract {
  readonly backend: { readonly name: string; space(): Promise<ObjectSpace> }
  readonly api: TestApi
}

/** Registers the suite with the test runner behind `api`. */
export function objectContract({ backend, api: { describe, it } }: ObjectContract): void {
  async function withSpace(work: (store: ObjectStore, space: ObjectSpace) => Promise<void>): Promise<void> {
    const space = await backend.space()
    try {
      const store = await space.open()
      try {
        await work(store, space)
      } finally {
        await store.close()
      }
    } finally {
      await space.dispose()
    }
  }
  const holds = (name: string, work: (store: ObjectStore, space: ObjectSpace) => Promise<void>) =>
    it(name, () => withSpace(work))

  describe(`objects in ${backend.name}`, () => {
    holds('an empty root has nothing, and says so without an error', async (store) => {
      assert.equal(await store.get('a/b'), undefined)
      assert.equal(await store.get('a/b', { start: 0, end: 4 }), undefined)
      assert.equal(await store.stat('a/b'), undefined)
      assert.deepEqual(await pathsOf(store.list('')), [])
      assert.deepEqual(await store.remove(['a/b']), [])
    })

    holds('an object is read as it was written, by every store of the root', async (store, space) => {
      const body = bytes(100_000, 7)
      assert.deepEqual(await store.put('data/one.bin', body), { written: true })
      const other = await space.open()
      try {
        assert.deepEqual(await content(other, 'data/one.bin'), body)
        const found = await other.stat('data/one.bin')
        assert.equal(found?.size, 100_000)
        assert.ok(Math.abs(Date.now() - (found?.modifiedAt.getTime() ?? 0)) < 600_000)
      } finally {
        await other.close()
      }
    })

    holds('a plain put replaces the whole object', async (store) => {
      await store.put('_last', text('a long first version'))
      assert.deepEqual(await store.put('_last', text('short')), { written: true })
      assert.deepEqual(await content(store, '_last'), text('short'))
    })

    holds('a part of an object is read as it would be cut from the whole', async (store) => {
      await store.put('digits', text('0123456789'))
      await store.put('empty', text(''))
      const part = async (path: string, start: number, end?: number) =>
        Buffer.from((await store.get(path, { start, end })) ?? 'absent').toString()
      assert.equal(await part('digits', 0, 4), '0123')
      assert.equal(await part('digits', 4), '456789')
      assert.equal(await part('digits', 8, 20), '89')
      assert.equal(await part('digits', -3), '789')
      assert.equal(await part('digits', -30), '0123456789')
      assert.equal(await part('digits', 10), '')
      assert.equal(await part('digits', 40, 50), '')
      assert.equal(await part('digits', 3, 3), '')
      assert.equal(await part('empty', 0), '')
      assert.equal(await part('empty', -8), '')
      assert.equal(await store.get('nothing', { start: 3, end: 3 }), undefined)
      assert.equal(await store.get('nothing', { start: -3 }), undefined)
    })

    holds('put if absent leaves what is there as it is', async (store) => {
      assert.deepEqual(await store.put('log/1.json', text('first'), { ifAbsent: true }), { written: true })
      assert.deepEqual(await store.put('log/1.json', text('second'), { ifAbsent: true }), { written: false })
      assert.deepEqual(await content(store, 'log/1.json'), text('first'))
      assert.deepEqual(await store.remove(['log/1.json']), [])
      assert.deepEqual(await store.put('log/1.json', text('third'), { ifAbsent: true }), { written: true })
      assert.deepEqual(await content(store, 'log/1.json'), text('third'))
    })

    holds('of 16 writers of one absent object exactly one wins, round after round', async (_, space) => {
      const stores = await Promise.all(Array.from({ length: 4 }, () => space.open()))
      for (let round = 0; round < 25; round++) {
        const path = `log/${round}.json`
        const size = round % 5 === 4 ? 300_000 : 64
        const bodies = Array.from({ length: 16 }, (_, writer) => bytes(size, writer + 1))
        const results = await Promise.all(
          bodies.map((body, writer) => stores[writer % 4]!.put(path, body, { ifAbsent: true })),
        )
        const winners = results.flatMap(({ written }, writer) => (written ? [writer] : []))
        assert.equal(winners.length, 1, `round ${round}`)
        assert.deepEqual(await content(stores[0]!, path), bodies[winners[0]!], `round ${round}`)
      }
      for (const store of stores) await store.close()
    })

    for (const [kind, size] of [
      ['empty', 0],
      ['small', 10_000],
      ['large', 20_000_003],
    ] as const) {
      it(`a ${kind} file is uploaded and fetched again`, () =>
        withSpace((store) =>
          inFolder(async (folder) => {
            const body = bytes(size, 3)
            await writeFile(join(folder, 'in'), body)
            await store.upload('data/file.parquet', join(folder, 'in'))
            assert.equal((await store.stat('data/file.parquet'))?.size, size)
            assert.equal(await store.download('data/file.parquet', join(folder, 'out')), size)
            assert.ok(body.equals(await readFile(join(folder, 'out'))))
            assert.deepEqual(await pathsOf(store.list('')), ['data/file.parquet'])
          }),
        ))
    }

    for (const size of [10, 9_000_000]) {
      it(`an upload of ${size} bytes over an object that is there is refused`, () =>
        withSpace((store) =>
          inFolder(async (folder) => {
            await store.put('data/file', text('the first one'))
            await writeFile(join(folder, 'in'), bytes(size, 5))
            const error = await failure(store.upload('data/file', join(folder, 'in')))
            assert.equal(error.details['outcome'], 'exists')
            assert.equal(error.details['object'], 'data/file')
            assert.equal(error.recoverable, false)
            assert.deepEqual(await content(store, 'data/file'), text('the first one'))
          }),
        ))
    }

    it('what is not there is not fetched, and leaves no file', () =>
      withSpace((store) =>
        inFolder(async (folder) => {
          assert.equal(await store.download('data/none', join(folder, 'out')), undefined)
          await assert.rejects(stat(join(folder, 'out')), { code: 'ENOENT' })
        }),
      ))

    it('a file that cannot be read is a failure of the upload', () =>
      withSpace((store) =>
        inFolder(async (folder) => {
          const error = await failure(store.upload('data/file', join(folder, 'none')))
          assert.equal(error.details['operation'], 'upload')
          assert.equal(await store.stat('data/file'), undefined)
        }),
      ))

    holds('a listing is in order of the paths, whatever their folders', async (store) => {
      const paths = ['a', 'a-b', 'a.b/x', 'a0/x', 'a1', 'b/c/d', 'b/c-d', 'b/c.d', 'b/c0', 'b/d', '_log/1', 'B']
      for (const path of paths) await store.put(path, text(path))
      const sorted = [...paths].sort((a, b) => (a < b ? -1 : 1))
      assert.deepEqual(await pathsOf(store.list('')), sorted)
      for (const prefix of ['a', 'a.', 'b/', 'b/c', 'b/c/', 'none', 'none/x', '_log/1', 'B']) {
        const expected = sorted.filter((path) => path.startsWith(prefix))
        assert.deepEqual(await pathsOf(store.list(prefix)), expected, `prefix ${prefix}`)
      }
      for (const after of [...paths, 'a.b', 'a.b/', 'b', 'b/c/', 'zzz', '0']) {
        const expected = sorted.filter((path) => path > after)
        assert.deepEqual(await pathsOf(store.list('', { after })), expected, `after ${after}`)
        assert.deepEqual(
          await pathsOf(store.list('b/', { after })),
          expected.filter((path) => path.startsWith('b/')),
          `after ${after}, below b/`,
        )
      }
    })

    holds('a listing is longer than a page, and tells sizes and times', async (store) => {
      const paths = Array.from({ length: 1_205 }, (_, n) => `many/${String(n).padStart(5, '0')}`)
      for (let at = 0; at < paths.length; at += 50) {
        await Promise.all(paths.slice(at, at + 50).map((path) => store.put(path, text(path.slice(0, 8)))))
      }
      const found: StoredObject[] = []
      for await (const object of store.list('many/')) found.push(object)
      assert.deepEqual(
        found.map(({ path }) => path),
        paths,
      )
      assert.ok(found.every(({ size, modifiedAt }) => size === 8 && modifiedAt.getTime() > 0))
      assert.deepEqual(await store.remove(paths), [])
      assert.deepEqual(await pathsOf(store.list('')), [])
    })

    holds('removal concerns the paths named, and no others that begin alike', async (store) => {
      for (const path of ['data/1', 'data/10', 'data/1x/y', 'data/2']) await store.put(path, text(path))
      assert.deepEqual(await store.remove(['data/1', 'data/1', 'data/none', 'none/at/all', 'data/2']), [])
      assert.deepEqual(await pathsOf(store.list('')), ['data/10', 'data/1x/y'])
      assert.deepEqual(await store.remove([]), [])
    })

    holds('names that are none are refused before anything happens', async (store) => {
      const names = [
        '',
        '/',
        '/a',
        'a/',
        'a//b',
        '..',
        '../a',
        'a/../b',
        './a',
        'a/.',
        'a b',
        'a%3Db',
        'ä',
        'a\\b',
        'a\n',
        'a~',
      ]
      for (const name of names) {
        for (const call of [
          () => store.get(name),
          () => store.stat(name),
          () => store.put(name, text('x')),
          () => store.put(name, text('x'), { ifAbsent: true }),
          () => store.upload(name, '/dev/null'),
          () => store.download(name, '/dev/null'),
          () => store.remove(['fine', name]),
        ]) {
          assert.equal((await failure(call())).recoverable, false, JSON.stringify(name))
        }
      }
      for (const prefix of ['../', '/', 'a/../b', 'a b', 'a//']) await failure(pathsOf(store.list(prefix)))
      for (const range of [{ start: -4, end: 2 }, { start: 4, end: 2 }, { start: 0.5 }, { start: Number.NaN }]) {
        await failure(store.get('a', range))
      }
      assert.deepEqual(await pathsOf(store.list('')), [])
    })
  })
}

/** Whatever kind of byte array a storage returns. */
async function content(store: ObjectStore, path: string): Promise<Buffer | undefined> {
  const found = await store.get(path)
  return found === undefined ? undefined : Buffer.from(found)
}

async function pathsOf(objects: AsyncIterable<StoredObject>): Promise<string[]> {
  const paths: string[] = []
  for await (const { path } of objects) paths.push(path)
  return paths
}

async function failure(call: Promise<unknown>): Promise<StorageError> {
  try {
    await call
  } catch (error) {
    assert.ok(error instanceof StorageError, String(error))
    return error
  }
  assert.fail('nothing was thrown')
}

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'defacto-objects-'))
  try {
    await work(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}

const text = (value: string): Buffer => Buffer.from(value)

/** Bytes of which no two parts are alike. */
function bytes(size: number, seed: number): Buffer {
  const words = new Uint32Array(Math.ceil(size / 4))
  let state = seed
  for (let at = 0; at < words.length; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    words[at] = state
  }
  return Buffer.from(words.buffer, 0, size)
}
