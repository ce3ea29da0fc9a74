/** Every operation on the object store fails once, before and after its effect; a retry must end where nothing failed. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Action, formatCommit } from '../../src/adapters/delta/actions.ts'
import { openDeltaArchive } from '../../src/adapters/delta/archive.ts'
import { openFolder } from '../../src/adapters/objects/folder.ts'
import { type Archive, tombstone } from '../../src/ports/archive.ts'
import type { ObjectStore } from '../../src/ports/objects.ts'
import { appendTo, archiveRows, scanned, tombstones } from '../../src/testing/contract/archive.ts'
import { type FaultAt, faultyStore } from '../support/delta-store.ts'
import { room } from '../support/room.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(room(), 'defacto-archive-faults-'))
})
afterEach(() => rm(folder, { recursive: true }))

const open = (objects: ObjectStore) => openDeltaArchive({ objects, temporary: folder, fileBytes: 12_000 })

/** The whole life of an archive in short; every step may be repeated. */
async function life(archive: Archive): Promise<void> {
  await appendTo(archive, 120)
  await archive.rewrite({
    txn: { appId: 'defacto-redact/test', version: 1 },
    sequences: [5, 111],
    change: tombstones,
  })
  await appendTo(archive, 250)
  await archive.compact()
  await archive.checkpoint()
  await archive.purge({ orphanAgeMs: 0 })
  await appendTo(archive, 300)
}

const EXPECTED = archiveRows(1, 300).map((row) =>
  row.sequence === 5 || row.sequence === 111 ? tombstone(row.sequence) : row,
)

async function stateOf(archive: Archive): Promise<unknown> {
  const verified = await archive.verify()
  const snapshot = await archive.snapshot()
  return { rows: await scanned(archive), problems: verified.problems, txns: snapshot?.txns, last: snapshot?.last }
}

async function undisturbed(): Promise<{ operations: number; state: unknown }> {
  const counting = faultyStore(openFolder(join(folder, 'undisturbed')))
  const archive = await open(counting)
  await life(archive)
  const operations = counting.count
  const state = await stateOf(archive)
  await archive.close()
  return { operations, state }
}

describe.each<FaultAt>(['before', 'after'])('an object store that fails %s the effect of', (at) => {
  test('each operation in turn: the same call again ends in the same state', async () => {
    const { operations, state } = await undisturbed()
    expect((state as { rows: unknown }).rows).toEqual(EXPECTED)
    expect(operations).toBeGreaterThan(40)
    for (let fail = 1; fail <= operations; fail += 1) {
      const table = openFolder(join(folder, `table-${fail}`))
      const archive = await open(faultyStore(table, fail, at))
      await life(archive).catch((error: { recoverable?: boolean }) => {
        expect(error, `operation ${fail}`).toMatchObject({ recoverable: true })
        return life(archive)
      })
      await archive.close()
      // Another process sees what this one sees.
      const other = await open(table)
      expect(await stateOf(other), `operation ${fail}`).toEqual(state)
      await other.close()
    }
  })
})

describe('damage', () => {
  let archive: Archive
  const table = () => join(folder, 'table')
  const data = async () => (await readdir(join(table(), 'data'))).sort().map((name) => `data/${name}`)
  beforeEach(async () => {
    archive = await open(openFolder(table()))
    await appendTo(archive, 200)
  })
  afterEach(() => archive.close())

  async function problemOf(path: string): Promise<string | undefined> {
    const { problems } = await archive.verify()
    expect(problems.map((one) => one.path)).toEqual([path])
    return problems[0]?.problem
  }

  test('a missing file is named, by verifying and by reading', async () => {
    const [path = ''] = await data()
    await rm(join(table(), path))
    expect(await problemOf(path)).toBe('it is missing')
    await expect(scanned(archive)).rejects.toMatchObject({ recoverable: false, details: { object: path } })
  })

  test('a truncated file is named', async () => {
    const [path = ''] = await data()
    const bytes = await readFile(join(table(), path))
    await writeFile(join(table(), path), bytes.subarray(0, 900))
    expect(await problemOf(path)).toMatch(/^it has 900 bytes instead of \d+$/)
  })

  test('sequences that no file holds, or two hold, are named with the file they are missed at', async () => {
    await appendTo(archive, 300)
    const store = openFolder(table())
    const { files, version } = (await archive.snapshot())!
    const [, second, third] = files
    const commit = (at: number, actions: Action[]) =>
      store.put(`_delta_log/${String(version + at).padStart(20, '0')}.json`, formatCommit(actions))
    await commit(1, [{ remove: { path: second!.path, deletionTimestamp: 1, dataChange: true } }])
    const { first, last } = second!.sequences!
    expect((await archive.verify()).problems).toEqual([
      { path: third!.path, problem: `no file holds the sequences ${first} to ${last} before it` },
    ])
    await store.upload('data/twice.parquet', join(table(), second!.path))
    const add = { size: second!.bytes, partitionValues: {}, modificationTime: 1, dataChange: true }
    await commit(2, [{ add: { ...add, path: second!.path } }, { add: { ...add, path: 'data/twice.parquet' } }])
    // Without statistics their ranges are known once they are read.
    expect((await archive.verify()).problems).toEqual([
      { path: expect.any(String), problem: expect.stringMatching(/^its range overlaps that of 'data\/.*'$/) },
    ])
    await commit(3, [{ remove: { path: 'data/twice.parquet', deletionTimestamp: 1, dataChange: true } }])
    expect((await archive.verify()).problems).toEqual([])
  })

  test('the log is read as it is stored, not as it is remembered', async () => {
    await rm(join(table(), '_delta_log', '00000000000000000001.json'))
    await expect(archive.verify()).rejects.toThrow(/version 1 is missing/)
  })

  test('every changed byte of a file is named or changes no row', async () => {
    const [path = ''] = await data()
    const bytes = await readFile(join(table(), path))
    const whole = await scanned(archive)
    let named = 0
    for (let at = 0; at < bytes.length; at += 97) {
      const changed = Buffer.from(bytes)
      changed[at] = changed[at]! ^ 0x20
      await writeFile(join(table(), path), changed)
      const { problems } = await archive.verify({ paths: [path] })
      if (problems.length > 0) named += 1
      else expect(await scanned(archive), `byte ${at}`).toEqual(whole)
    }
    expect(named).toBeGreaterThan(20)
  })

  test('rows of another file under the right name and size are named', async () => {
    const [path = '', other = ''] = await data()
    await writeFile(join(table(), path), await readFile(join(table(), other)))
    expect(await problemOf(path)).toMatch(/instead of/)
  })

  test('a rewrite refuses to carry damage on', async () => {
    const [path = '', other = ''] = await data()
    const bytes = await readFile(join(table(), other))
    const { size } = { size: (await readFile(join(table(), path))).length }
    await writeFile(
      join(table(), path),
      Buffer.concat([bytes, Buffer.alloc(Math.max(0, size - bytes.length))]).subarray(0, size),
    )
    await expect(
      archive.rewrite({ txn: { appId: 'r', version: 1 }, sequences: [1], change: tombstones }),
    ).rejects.toThrow(path)
  })

  test('a log with a gap or a line that is no action is refused, a stale or broken hint is not', async () => {
    const log = join(table(), '_delta_log')
    await archive.checkpoint()
    for (const hint of ['{', '{"version":99}', '{"version":"x"}', '']) {
      await writeFile(join(log, '_last_checkpoint'), hint)
      const other = await open(openFolder(table()))
      expect((await other.snapshot())?.rows, hint).toBe(200)
      await other.close()
    }
    for (const name of await readdir(log)) if (name.includes('checkpoint')) await rm(join(log, name))
    const second = join(log, '00000000000000000001.json')
    const body = await readFile(second)
    await writeFile(second, `{"add":{"path":1}}\n`)
    const broken = await open(openFolder(table()))
    await expect(broken.snapshot()).rejects.toThrow(/00000000000000000001.json:1/)
    await rm(second)
    await expect(broken.snapshot()).rejects.toThrow(/version 1 is missing/)
    await writeFile(second, body)
    expect((await broken.snapshot())?.rows).toBe(200)
    await broken.close()
  })
})
