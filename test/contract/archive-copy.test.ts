/** Moving a table: from one kind of place to another, interrupted anywhere, and never over another table. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openDeltaArchive } from '../../src/adapters/delta/archive.ts'
import { type CopyOptions, copyTable } from '../../src/adapters/delta/copy-table.ts'
import { openFolder } from '../../src/adapters/objects/folder.ts'
import { openS3 } from '../../src/adapters/objects/s3.ts'
import type { Archive } from '../../src/ports/archive.ts'
import type { ObjectStore } from '../../src/ports/objects.ts'
import { appendTo, archiveRows, scanned, tombstones } from '../../src/testing/contract/archive.ts'
import { faultyStore } from '../support/delta-store.ts'
import { room } from '../support/room.ts'
import { describeS3, freshBucket } from '../support/s3.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(room(), 'defacto-archive-copy-'))
})
afterEach(() => rm(folder, { recursive: true }))

const place = (name: string) => openFolder(join(folder, name))

async function use<T>(objects: ObjectStore, work: (archive: Archive) => Promise<T>): Promise<T> {
  const archive = await openDeltaArchive({ objects, temporary: folder, fileBytes: 12_000 })
  try {
    return await work(archive)
  } finally {
    await archive.close()
  }
}

/** A table with files, replaced files, a checkpoint in the middle and entries after it. */
async function fill(objects: ObjectStore): Promise<void> {
  await use(objects, async (archive) => {
    await appendTo(archive, 200)
    await archive.rewrite({ txn: { appId: 'defacto-redact/test', version: 1 }, sequences: [5], change: tombstones })
    await archive.checkpoint()
    await appendTo(archive, 300)
  })
}

const EXPECTED = archiveRows(1, 300).map((row) => (row.sequence === 5 ? tombstones([row])[0]! : row))

/** Everything of the newest version is there, and nothing that was erased. */
async function assertCopied(from: ObjectStore, to: ObjectStore, expected = EXPECTED): Promise<void> {
  const source = await use(from, (archive) => archive.snapshot())
  await use(to, async (archive) => {
    expect(await archive.snapshot()).toEqual(source)
    expect((await archive.verify()).problems).toEqual([])
    expect(await scanned(archive)).toEqual(expected)
  })
}

/** Paths and sizes. */
async function objectsOf(objects: ObjectStore): Promise<[string, number][]> {
  const all: [string, number][] = []
  for await (const { path, size } of objects.list('')) all.push([path, size])
  return all
}

const names = async (objects: ObjectStore) => (await objectsOf(objects)).map(([path]) => path)

describe('a table in another folder', () => {
  test('has its newest version and its log, and nothing of replaced files', async () => {
    const [from, to] = [place('a'), place('b')]
    await fill(from)
    const seen: [number, number][] = []
    const progress: CopyOptions['progress'] = (done, total) => void seen.push([done, total])
    const copied = await copyTable(from, to, { progress })
    await assertCopied(from, to)
    const snapshot = (await use(to, (archive) => archive.snapshot()))!
    expect(copied).toMatchObject({ version: snapshot.version, files: snapshot.files.length, bytes: snapshot.bytes })
    expect(copied.present).toBe(0)
    expect(seen.at(-1)).toEqual([snapshot.bytes, snapshot.bytes])
    expect((await names(from)).length - (await names(to)).length).toBe(1)
    expect(await names(to)).toContain('_delta_log/_last_checkpoint')
    expect(await copyTable(from, to)).toMatchObject({ files: 0, bytes: 0, present: snapshot.files.length, log: 0 })
    await use(to, async (archive) => expect((await appendTo(archive, 350)).rows).toBe(50))
  })

  test('is complete after a failure of any operation, and a repetition', async () => {
    const from = place('a')
    await fill(from)
    const counting = faultyStore(place('whole'))
    await copyTable(from, counting)
    await assertCopied(from, place('whole'))
    const whole = await objectsOf(place('whole'))
    for (let fail = 1; fail <= counting.count; fail += 1) {
      const to = place(`b${fail}`)
      // Lost answers are the harder half: there is something already.
      const failing = faultyStore(to, fail, fail % 3 === 0 ? 'before' : 'after')
      await expect(copyTable(from, failing), `operation ${fail}`).rejects.toThrow('connection lost')
      await copyTable(from, to)
      expect(await objectsOf(to), `operation ${fail}`).toEqual(whole)
    }
  })

  test('catches up with a source that has grown, was erased from and purged meanwhile', async () => {
    const [from, to] = [place('a'), place('b')]
    await fill(from)
    const half = faultyStore(to, 12, 'after')
    await expect(copyTable(from, half)).rejects.toThrow('connection lost')
    await use(from, async (archive) => {
      await appendTo(archive, 400)
      await archive.rewrite({ txn: { appId: 'defacto-redact/test', version: 2 }, sequences: [9], change: tombstones })
      await archive.purge({ orphanAgeMs: 0 })
      await appendTo(archive, 450)
    })
    await copyTable(from, to)
    const expected = archiveRows(1, 450).map((row) => ([5, 9].includes(row.sequence) ? tombstones([row])[0]! : row))
    await assertCopied(from, to, expected)
    await use(to, (archive) => archive.purge({ orphanAgeMs: 0 }))
    const live = await use(to, (archive) => archive.snapshot())
    expect((await names(to)).filter((name) => name.startsWith('data/'))).toEqual(live!.files.map(({ path }) => path))
  })

  test('is not begun where another table is, or the copy leads, or its log differs', async () => {
    const [from, other, ahead, different] = [place('a'), place('b'), place('c'), place('d')]
    await fill(from)
    await fill(other)
    await expect(copyTable(from, other)).rejects.toThrow(/holds another table .* Choose an empty place/)
    await copyTable(from, ahead)
    await use(ahead, (archive) => appendTo(archive, 310))
    await expect(copyTable(from, ahead)).rejects.toThrow(/somebody writes to the copy already/)
    await copyTable(from, different)
    await use(from, (archive) => appendTo(archive, 320))
    await use(different, (archive) => appendTo(archive, 330))
    await expect(copyTable(from, different)).rejects.toMatchObject({
      message: expect.stringMatching(/log entry '_delta_log\/\d+\.json' in .* differs/),
      recoverable: false,
    })
    await expect(copyTable(place('nothing'), place('e'))).rejects.toThrow(/there is no table in/)
    expect(await names(place('e'))).toEqual([])
  })

  test('names objects that are not what they must be', async () => {
    const [from, to] = [place('a'), place('b')]
    await fill(from)
    const { path } = (await use(from, (archive) => archive.snapshot()))!.files[1]!
    await to.put(path, Buffer.from('short'))
    await expect(copyTable(from, to)).rejects.toMatchObject({
      message: expect.stringMatching(/has 5 bytes instead of \d+\. Remove it and copy again/),
      details: { object: path },
    })
    await to.remove([path])
    await writeFile(join(folder, 'a', path), 'short')
    await expect(copyTable(from, to)).rejects.toThrow(`'${path}' is damaged: it has 5 bytes`)
    await from.remove([path])
    await expect(copyTable(from, to)).rejects.toThrow(`'${path}' is damaged: it is missing`)
  })

  test('stops between objects when it is told to', async () => {
    const [from, to] = [place('a'), place('b')]
    await fill(from)
    const stop = new AbortController()
    await expect(copyTable(from, to, { signal: stop.signal, progress: () => stop.abort() })).rejects.toThrow(/abort/i)
    expect((await names(to)).filter((name) => name.startsWith('_delta_log'))).toEqual([])
    await copyTable(from, to)
    await assertCopied(from, to)
  })
})

describeS3('a table in a bucket', () => {
  test('comes from a folder and goes back to one', async () => {
    const bucket = await freshBucket()
    const s3 = openS3(`${bucket.url}/moved`, bucket.options)
    const [from, back] = [place('a'), place('b')]
    await fill(from)
    await copyTable(from, s3)
    await assertCopied(from, s3)
    await use(s3, (archive) => appendTo(archive, 400))
    await copyTable(s3, back)
    await assertCopied(s3, back, [...EXPECTED, ...archiveRows(301, 400)])
    await s3.close()
    await bucket.drop()
  })
})
