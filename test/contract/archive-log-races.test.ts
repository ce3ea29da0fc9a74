/**
 * Reading a log that others clean meanwhile. Listings are those of a folder, or of pages of a bucket: names as they were
 * at first, of which those that have gone since are missing. Others act at every point of that, and between the reads.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openDeltaArchive } from '../../src/adapters/delta/archive.ts'
import { copyTable } from '../../src/adapters/delta/copy-table.ts'
import { TemporaryFolder } from '../../src/adapters/delta/workspace.ts'
import { openFolder } from '../../src/adapters/objects/folder.ts'
import type { Archive, ArchiveSnapshot } from '../../src/ports/archive.ts'
import type { ObjectStore } from '../../src/ports/objects.ts'
import { appendTo, archiveRows, scanned } from '../../src/testing/contract/archive.ts'
import { memoryCodec } from '../simulation/memory-codec.ts'
import { room } from '../support/room.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(room(), 'defacto-archive-races-'))
})
afterEach(async () => {
  for (const archive of archives.splice(0)) await archive.close()
  await rm(folder, { recursive: true })
})

/** Files are JSON: the log is what matters, and this is quick. */
const archives: Archive[] = []

async function opened(objects: ObjectStore): Promise<Archive> {
  const workspace = new TemporaryFolder(folder)
  const codec = memoryCodec({ workspace, read: (file) => readFile(file), write: (file, body) => writeFile(file, body) })
  const archive = await openDeltaArchive({ objects, workspace, codec })
  archives.push(archive)
  return archive
}

/** A store with some operations of its own. */
function changed(store: ObjectStore, own: Partial<ObjectStore>): ObjectStore {
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(own, name) ?? Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

/** `step` is called before every request, and before every object of a listing is looked at. */
function interrupted(store: ObjectStore, step: (what: string) => Promise<void>): ObjectStore {
  return changed(store, {
    get: async (path, range) => {
      await step(`get ${path}`)
      return store.get(path, range)
    },
    stat: async (path) => {
      await step(`stat ${path}`)
      return store.stat(path)
    },
    put: async (path, body, options) => {
      await step(`put ${path}`)
      return store.put(path, body, options)
    },
    upload: async (path, file) => {
      await step(`upload ${path}`)
      return store.upload(path, file)
    },
    download: async (path, file) => {
      await step(`download ${path}`)
      return store.download(path, file)
    },
    async *list(prefix, options) {
      await step('list')
      const paths: string[] = []
      for await (const { path } of store.list(prefix, options)) paths.push(path)
      for (const path of paths) {
        await step(`listed ${path}`)
        const found = await store.stat(path)
        if (found !== undefined) yield found
      }
    },
  })
}

const entry = (version: number, kind = 'json') => `_delta_log/${String(version).padStart(20, '0')}.${kind}`
const CHECKPOINT = 'checkpoint.parquet'

type Act = 'append' | 'purge' | 'checkpoint' | 'cleanLog'

/** A table that one writer changes while another process, in the middle of a request, sees how. */
class Table {
  readonly store = openFolder(join(folder, 'table'))
  /** Every version there was at the end of a change. */
  readonly versions = new Map<number, ArchiveSnapshot>()
  /** What comes between before this step of a reader; null: nothing. */
  between: (step: string) => (() => Promise<void>) | null = () => null
  readonly #writer: Archive
  #rows = 0

  private constructor(writer: Archive) {
    this.#writer = writer
  }

  static async with(...acts: readonly Act[]): Promise<Table> {
    const table = new Table(await opened(openFolder(join(folder, 'table'))))
    for (const act of acts) await table.act(act)
    return table
  }

  reader(): Promise<Archive> {
    return opened(interrupted(this.store, async (step) => this.between(step)?.()))
  }

  /** These come once, before the first step that begins so. */
  once(before: string, ...acts: readonly Act[]): void {
    let done = false
    this.between = (step) => {
      if (done || !step.startsWith(before)) return null
      done = true
      return async () => {
        for (const act of acts) await this.act(act)
      }
    }
  }

  async act(act: Act): Promise<void> {
    if (act === 'append') {
      this.#rows += 1
      await appendTo(this.#writer, this.#rows)
    } else if (act === 'purge') await this.#writer.purge({ orphanAgeMs: 0 })
    else if (act === 'checkpoint') await this.#writer.checkpoint()
    else await this.#writer.cleanLog({ retentionMs: 0 })
    const snapshot = await this.#writer.snapshot()
    this.versions.set(snapshot!.version, snapshot!)
  }

  newest(): ArchiveSnapshot {
    return [...this.versions.values()].at(-1)!
  }
}

/** What cleans the log without a commit of its own. */
const CLEANED: readonly Act[] = ['checkpoint', 'cleanLog']

describe('a log that is cleaned while it is read', () => {
  test('from a known checkpoint on: its entry and the next ones are gone, and the newest checkpoint was not listed', async () => {
    const table = await Table.with('append', 'purge')
    const reader = await table.reader()
    expect((await reader.snapshot())?.version).toBe(2)
    for (const act of ['append', 'append'] as const) await table.act(act)
    table.once(`listed ${entry(2, CHECKPOINT)}`, ...CLEANED)
    expect(await reader.snapshot()).toEqual(table.newest())
    expect(await scanned(reader)).toEqual(archiveRows(1, 3))
  })

  test('from a known commit on: it is still listed, the next one is gone', async () => {
    const table = await Table.with('append')
    const reader = await table.reader()
    expect((await reader.snapshot())?.version).toBe(1)
    for (const act of ['append', 'append'] as const) await table.act(act)
    table.once(`listed ${entry(2)}`, ...CLEANED)
    expect(await reader.snapshot()).toEqual(table.newest())
  })

  test('from the beginning: only the newest entry is left', async () => {
    const table = await Table.with('append', 'append', 'append')
    table.once(`listed ${entry(0)}`, ...CLEANED)
    expect(await (await table.reader()).snapshot()).toEqual(table.newest())
  })

  test('from the beginning: nothing is left of what was there at first', async () => {
    const table = await Table.with('append', 'append', 'append')
    table.once(`listed ${entry(0)}`, 'purge')
    expect(await (await table.reader()).snapshot()).toEqual(table.newest())
  })

  test.each([
    ['the hint', 'get _delta_log/_last_checkpoint'],
    ['the listing after it', 'list'],
    ['the checkpoint', `download ${entry(2, CHECKPOINT)}`],
    ['a commit', `get ${entry(3)}`],
  ])('before %s is fetched', async (_, step) => {
    const table = await Table.with('append', 'purge', 'append', 'append')
    table.once(step, 'append', 'purge')
    expect(await (await table.reader()).snapshot()).toEqual(table.newest())
  })

  test('whatever others do at whatever moment, a reader gets a version of the table, and never an older one than before', async () => {
    const act = fc.constantFrom<Act>('append', 'append', 'purge', 'checkpoint', 'cleanLog')
    const plan = fc.record({
      first: fc.array(act, { maxLength: 4 }),
      known: fc.boolean(),
      next: fc.array(act, { maxLength: 4 }),
      between: fc.array(fc.tuple(fc.nat(12), act), { maxLength: 8 }),
    })
    await fc.assert(
      fc.asyncProperty(plan, async ({ first, known, next, between }) => {
        await rm(join(folder, 'table'), { recursive: true, force: true })
        const table = await Table.with('append', ...first)
        const reader = await table.reader()
        let before = known ? (await reader.snapshot())!.version : 0
        for (const one of next) await table.act(one)
        let steps = 0
        const due = between.toSorted(([a], [b]) => a - b)
        table.between = () => async () => {
          for (; due[0] !== undefined && due[0][0] <= steps; due.shift()) await table.act(due[0][1])
          steps += 1
        }
        for (let read = 0; read < 3; read += 1) {
          const snapshot = await reader.snapshot()
          expect(snapshot).toEqual(table.versions.get(snapshot?.version ?? -1))
          expect(snapshot?.version).toBeGreaterThanOrEqual(before)
          before = snapshot!.version
        }
        expect((await reader.verify()).problems).toEqual([])
      }),
      { numRuns: 60 },
    )
  })
})

describe('what cleaning does not explain', () => {
  test.each([2, 3])(
    'lost commit %i is damage, for who knows the version before it and for who does not',
    async (lost) => {
      const table = await Table.with('append', ...(lost === 3 ? (['append'] as const) : []))
      const knowing = await table.reader()
      expect((await knowing.snapshot())?.version).toBe(lost - 1)
      for (const act of ['append', 'append'] as const) await table.act(act)
      await rm(join(folder, 'table', entry(lost)))
      const refusal = { recoverable: false, message: expect.stringContaining(`version ${lost} is missing`) }
      for (let time = 0; time < 2; time += 1) {
        await expect(knowing.snapshot()).rejects.toMatchObject(refusal)
        await expect((await table.reader()).snapshot()).rejects.toMatchObject(refusal)
      }
    },
  )

  test('a commit that is lost while the log grows with every look at it is damage all the same', async () => {
    const table = await Table.with('append')
    const reader = await table.reader()
    await reader.snapshot()
    for (const act of ['append', 'append'] as const) await table.act(act)
    await rm(join(folder, 'table', entry(2)))
    table.between = (step) => (step === 'list' ? () => table.act('append') : null)
    await expect(reader.snapshot()).rejects.toThrow(/version 2 is missing, but version 3 is there/)
  })

  test('entries that are listed and never there are no damage that a backup heals, nor waited for without end', async () => {
    const table = await Table.with('append', 'append')
    const lacking = await opened(changed(table.store, { get: async () => undefined }))
    await expect(lacking.snapshot()).rejects.toMatchObject({ code: 'E_ARCHIVE_VERSION', recoverable: true })
  })

  test('an empty place is no table, and a table that is removed is none any more', async () => {
    const empty = await opened(openFolder(join(folder, 'nothing')))
    expect(await empty.snapshot()).toBeNull()
    const table = await Table.with('append', 'purge')
    const reader = await table.reader()
    expect(await reader.snapshot()).toEqual(table.newest())
    await rm(join(folder, 'table'), { recursive: true })
    expect(await reader.snapshot()).toBeNull()
  })
})

describe('others who depend on the log', () => {
  test('a checkpoint that a newer one replaced before it was read back is no damage', async () => {
    const table = await Table.with('append', 'append')
    const slow = await table.reader()
    table.once(`download ${entry(3, CHECKPOINT)}`, 'append', 'purge')
    await slow.purge({ orphanAgeMs: 0 })
    expect(await slow.snapshot()).toMatchObject({ rows: 3, last: 3 })
    expect(await scanned(slow)).toEqual(archiveRows(1, 3))
  })

  test('a purge whose own commit was cleaned away before it was listed leaves nothing older than itself', async () => {
    const table = await Table.with('append', 'append')
    const slow = await table.reader()
    expect((await slow.snapshot())?.version).toBe(2)
    table.once(`listed ${entry(3)}`, 'append', 'purge')
    await slow.purge({ orphanAgeMs: 0 })
    const { version, rows } = (await slow.snapshot())!
    expect({ version, rows }).toEqual({ version: 6, rows: 3 })
    const left: string[] = []
    for await (const { path } of table.store.list('_delta_log/0')) left.push(path)
    expect(left).toEqual([entry(6, CHECKPOINT), entry(6)])
  })

  test('a checkpoint that is gone for no reason is damage, and the log before it stays', async () => {
    const table = await Table.with('append', 'append')
    const store = interrupted(table.store, async (step) => {
      if (step.startsWith(`download ${entry(3, CHECKPOINT)}`)) await table.store.remove([entry(3, CHECKPOINT)])
    })
    await expect((await opened(store)).purge()).rejects.toThrow(/00000000000000000003.checkpoint.parquet' is damaged/)
    expect(await scanned(await table.reader())).toEqual(archiveRows(1, 2))
  })

  test('a copy of a log that was cleaned after its version was read asks to be made again', async () => {
    const table = await Table.with('append', 'append')
    const target = openFolder(join(folder, 'target'))
    let lists = 0
    const changing = interrupted(table.store, async (step) => {
      if (step !== 'list') return
      lists += 1
      if (lists === 2) for (const act of ['append', 'purge'] as const) await table.act(act)
    })
    await expect(copyTable(changing, target)).rejects.toMatchObject({ code: 'E_ARCHIVE_VERSION', recoverable: true })
  })
})
