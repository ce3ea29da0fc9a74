/** What reads of the archive fetch, and what of it stays: parts of files, local copies, folders of killed processes. */
import { existsSync, readdirSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type ArchiveOptions, openDeltaArchive } from '../../src/adapters/delta/archive.ts'
import { duckdbCodec } from '../../src/adapters/delta/duckdb-codec.ts'
import { openFolder } from '../../src/adapters/objects/folder.ts'
import type { Archive, ArchiveRow, MemberRow, ScanRequest } from '../../src/ports/archive.ts'
import { tombstone } from '../../src/ports/archive.ts'
import type { Member } from '../../src/ports/tiers.ts'
import { archiveRow, archiveRows } from '../../src/testing/contract/archive.ts'
import { type ReadingStore, readingStore } from '../support/reading-store.ts'
import { room } from '../support/room.ts'

const APP = 'defacto-flush/reads'
/** Rows of a row group. */
const GROUP = 18_432
const FOOTER = 65_536

let folder: string
let objects: ReadingStore
const open: Archive[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(room(), 'defacto-archive-reads-'))
  objects = readingStore(openFolder(join(folder, 'table')))
})

afterEach(async () => {
  for (const archive of open.splice(0)) await archive.close()
  await rm(folder, { recursive: true })
})

async function openArchive(options: Partial<ArchiveOptions> = {}): Promise<Archive> {
  const archive = await openDeltaArchive({ objects, temporary: folder, ...options })
  open.push(archive)
  return archive
}

function row(sequence: number): ArchiveRow {
  return {
    ...tombstone(sequence),
    eventId: `event-${sequence}`,
    timestamp: new Date(1_700_000_000_000 + ((sequence * 7_919) % 1_000_003) * 1_000).toISOString(),
    // Does not compress, so that row groups are larger than the footer.
    data: `${Math.sin(sequence)}${Math.cos(sequence)}`,
    excluded: false,
  }
}

async function* rowsUpTo(after: number, to: number): AsyncGenerator<ArchiveRow[]> {
  for (let at = after; at < to; at += GROUP) {
    yield Array.from({ length: Math.min(GROUP, to - at) }, (_, index) => row(at + 1 + index))
  }
}

async function read(archive: Archive, request: ScanRequest): Promise<ArchiveRow[]> {
  const rows: ArchiveRow[] = []
  for await (const chunk of archive.scan(request)) for (const one of chunk) rows.push(one)
  return rows
}

describe('parts of files', () => {
  const ROWS = 500_000
  const GROUPS = Math.ceil(ROWS / GROUP)
  let place: string
  let size: number

  /** One file, which every test reads as another process. */
  beforeAll(async () => {
    place = await mkdtemp(join(room(), 'defacto-archive-parts-'))
    const archive = await openDeltaArchive({ objects: openFolder(join(place, 'table')), temporary: place })
    await archive.append({ appId: APP, rows: (after) => rowsUpTo(after, ROWS) })
    const files = (await archive.snapshot())!.files
    expect(files).toHaveLength(1)
    size = files[0]!.bytes
    await archive.close()
  })

  afterAll(() => rm(place, { recursive: true }))

  beforeEach(() => {
    objects = readingStore(openFolder(join(place, 'table')))
  })

  test('a few rows cost the footer and their row groups, and nothing the second time', async () => {
    const archive = await openArchive()
    const sequences = [5, 7 * GROUP + 3, 19 * GROUP]
    expect(await read(archive, { sequences })).toEqual(sequences.map(row))
    const [footer, ...groups] = objects.ranges()
    expect(footer).toEqual({ start: size - FOOTER, end: size })
    expect(groups).toHaveLength(3)
    for (const { start, end } of groups) expect(end - start).toBeLessThan((size / GROUPS) * 1.5)
    objects.forget()
    expect(await read(archive, { sequences })).toEqual(sequences.map(row))
    expect(await read(archive, { after: 7 * GROUP, to: 7 * GROUP + 9 })).toHaveLength(9)
    expect(await read(archive, { sequences, order: 'time', columns: ['data'] })).toHaveLength(3)
    expect(objects.ranges()).toEqual([])
  })

  test('ranges one after the other fetch every byte at most once, a read of everything then fetches the rest', async () => {
    const archive = await openArchive()
    for (let after = 0; after < ROWS; after += 10_000) {
      const found = await read(archive, { after, to: after + 10_000, columns: ['eventId'] })
      expect(found).toHaveLength(10_000)
      expect(found[0]?.sequence).toBe(after + 1)
      expect(found.at(-1)?.eventId).toBe(`event-${after + 10_000}`)
    }
    expect(twice(objects.ranges())).toBe(0)
    for await (const _ of archive.scan({ columns: ['eventId'] })) break
    expect(twice(objects.ranges())).toBe(0)
    expect(bytesOf(objects.ranges())).toBe(size)
    expect(objects.downloads()).toEqual([])
  })

  test('many scattered rows come in order, also from row groups that stand apart', async () => {
    const archive = await openArchive()
    const sequences = Array.from({ length: 9 * GROUP }, (_, index) => index + 1).filter(
      (sequence) => Math.floor((sequence - 1) / GROUP) % 2 === 0 && sequence % 7 === 0,
    )
    const found = await read(archive, { sequences, columns: ['eventId'] })
    expect(found.map(({ sequence }) => sequence)).toEqual(sequences)
    expect(found.every(({ sequence, eventId }) => eventId === `event-${sequence}`)).toBe(true)
    expect(objects.ranges()).toHaveLength(1 + 5)
  })

  test('a read of everything fetches every byte once, whoever reads the file at the same time', async () => {
    const archive = await openArchive()
    const whole = archive.scan({ columns: ['eventId'] })[Symbol.asyncIterator]()
    const [first, part] = await Promise.all([whole.next(), read(archive, { sequences: [GROUP + 1] })])
    expect([first.value?.[0], part[0]]).toMatchObject([{ eventId: 'event-1' }, { eventId: `event-${GROUP + 1}` }])
    await whole.return?.()
    // Whoever comes first decides: the whole file at once, or some of its parts and then the rest.
    expect(objects.downloads().length * size + bytesOf(objects.ranges())).toBe(size)
    expect(twice(objects.ranges())).toBe(0)
  })
})

describe('local copies', () => {
  const copies = () =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('data.parquet'))

  async function twoFiles(options: Partial<ArchiveOptions>): Promise<Archive> {
    const archive = await openArchive(options)
    await archive.append({ appId: APP, rows: (after) => rowsUpTo(after, 100) })
    await archive.append({ appId: APP, rows: (after) => rowsUpTo(after, 200) })
    objects.forget()
    return archive
  }

  test('are kept up to a limit, the least recently used goes first', async () => {
    const archive = await openArchive()
    for (const to of [100, 200, 300]) await archive.append({ appId: APP, rows: (after) => rowsUpTo(after, to) })
    const files = (await archive.snapshot())!.files
    const [first, second, third] = files.map(({ path }) => path)
    const room = files.reduce((sum, { bytes }) => sum + bytes, 0) - 1
    const small = await openArchive({ localBytes: room })
    objects.forget()
    for (const sequence of [1, 101, 1, 201, 1, 101]) await read(small, { sequences: [sequence] })
    expect(objects.downloads()).toEqual([first, second, third, second])
    expect(copies()).toHaveLength(2)
  })

  test('in use stay until their reader is done', async () => {
    const archive = await twoFiles({ localBytes: 1 })
    const reader = archive.scan()[Symbol.asyncIterator]()
    await reader.next()
    expect(copies()).toHaveLength(1)
    await archive.purge({ orphanAgeMs: 0 })
    expect(copies()).toHaveLength(1)
    await reader.return?.()
    expect(copies()).toEqual([])
  })

  test('of a damaged file are not kept, and the file is named', async () => {
    let archive = await openArchive()
    await archive.append({ appId: APP, rows: (after) => rowsUpTo(after, 3 * GROUP) })
    const [file] = (await archive.snapshot())!.files
    const body = await objects.get(file!.path)
    for (const request of [{ sequences: [1] }, {}]) {
      await objects.put(file!.path, body!.subarray(0, body!.length - 1))
      await expect(read(archive, request)).rejects.toThrow(file!.path)
      await objects.put(file!.path, Buffer.concat([body!.subarray(0, 4), Buffer.alloc(body!.length - 4)]))
      await expect(read(archive, request)).rejects.toThrow(file!.path)
      expect(copies()).toEqual([])
      await objects.put(file!.path, body!)
      expect(await read(archive, { sequences: [1] })).toEqual([row(1)])
      await archive.close()
      archive = await openArchive()
    }
  })

  test('of files that left the table go with them', async () => {
    const archive = await twoFiles({})
    await read(archive, {})
    expect(copies()).toHaveLength(2)
    await archive.compact()
    expect(copies()).toEqual([])
    expect(await read(archive, {})).toHaveLength(200)
    expect(copies()).toHaveLength(1)
  })

  test('nothing is made before the first call, and nothing is left after closing', async () => {
    const archive = await openArchive()
    expect(readdirSync(folder)).toEqual([])
    await archive.append({ appId: APP, rows: (after) => rowsUpTo(after, 100) })
    await read(archive, {})
    await archive.close()
    expect(readdirSync(folder)).toEqual(['table'])
  })

  test('of killed processes go with the next one that needs room, of others stay', async () => {
    const own = { host: hostname(), pid: 1_000, startedAt: 'now' }
    const leftover = async (name: string, owner?: object): Promise<string> => {
      const path = join(folder, `defacto-archive-${name}`)
      await mkdir(path)
      await writeFile(join(path, 'data.parquet'), 'x')
      if (owner !== undefined) await writeFile(join(path, 'owner.json'), JSON.stringify(owner))
      return path
    }
    const dead = await leftover('dead', { ...own, pid: 1_001 })
    const stays = [await leftover('alive', { ...own, pid: 1_002 }), await leftover('unknown')]
    const archive = await openArchive({ processes: { own, isDead: ({ pid }) => pid === 1_001 } })
    await archive.append({ appId: APP, rows: (after) => rowsUpTo(after, 10) })
    expect(existsSync(dead)).toBe(false)
    for (const path of stays) expect(existsSync(path)).toBe(true)
  })

  test('may be the business of another codec and workspace altogether', async () => {
    const names: string[] = []
    const workspace = {
      file: async (name: string) => {
        names.push(name)
        return { path: join(folder, `${names.length}-${name}`), [Symbol.asyncDispose]: async () => {} }
      },
      folder: async () => folder,
      close: async () => {},
    }
    const codec = { ...duckdbCodec({ spill: async () => join(folder, 'spill'), memory: '64MB' }), partial: null }
    const archive = await openArchive({ workspace, codec })
    await archive.append({ appId: APP, rows: (after) => rowsUpTo(after, 3 * GROUP) })
    objects.forget()
    expect(await read(archive, { sequences: [GROUP] })).toEqual([row(GROUP)])
    expect(objects.downloads()).toHaveLength(1)
    expect(names).toContain('data.parquet')
  })
})

describe('rows with their entities', () => {
  const ROWS = 1_000

  async function* chunksOf(members: readonly Member[]): AsyncGenerator<Member[]> {
    for (let at = 0; at < members.length; at += 300) yield members.slice(at, at + 300)
  }

  const entityOf = (n: number): string => `${['Z', 'a', 'é', '\uFFFD', '😀', 'aa'][n % 6]}${n % 50}`

  function membersOf(sequences: readonly number[]): Member[] {
    return sequences.flatMap((sequence) =>
      sequence % 3 === 0
        ? [{ sequence, entityId: entityOf(sequence), entityType: 'customer' }]
        : [
            { sequence, entityId: entityOf(sequence), entityType: 'customer' },
            { sequence, entityId: `order ${sequence % 17}`, entityType: 'order' },
          ],
    )
  }

  async function filled(): Promise<Archive> {
    const archive = await openArchive({ fileBytes: 40_000 })
    await archive.append({
      appId: APP,
      async *rows(after) {
        for (let at = after; at < ROWS; at += 100) yield archiveRows(at + 1, at + 100)
      },
    })
    objects.forget()
    return archive
  }

  async function joined(archive: Archive, members: readonly Member[], to: number): Promise<MemberRow[]> {
    const found: MemberRow[] = []
    for await (const chunk of archive.scanMembers({ members: chunksOf(members), to })) found.push(...chunk)
    return found
  }

  test('come entity after entity as UTF-8 orders them, by time and sequence, tombstones left out', async () => {
    const archive = await filled()
    const members = membersOf(Array.from({ length: ROWS + 50 }, (_, index) => index + 1))
    const expected = members
      .filter(({ sequence }) => sequence <= 900 && archiveRow(sequence).timestamp !== null)
      .map(({ sequence, entityId, entityType }) => ({ entityId, entityType, row: archiveRow(sequence) }))
      .sort(
        (a, b) =>
          Buffer.compare(Buffer.from(a.entityId), Buffer.from(b.entityId)) ||
          Buffer.compare(Buffer.from(a.row.timestamp!), Buffer.from(b.row.timestamp!)) ||
          a.row.sequence - b.row.sequence,
      )
    expect(await joined(archive, members, 900)).toEqual(expected)
  })

  test('texts come back as they were stored, whatever stands in them', async () => {
    const texts = ['\uFEFFmark', '', 'a\u0000b', '😀\uFFFD', "it's", '\n\t"\\']
    const stored = texts.map(
      (text, index): ArchiveRow => ({ ...row(index + 1), source: text, data: text, kinds: null }),
    )
    const archive = await openArchive()
    await archive.append({
      appId: APP,
      async *rows() {
        yield stored
      },
    })
    expect(await read(archive, {})).toEqual(stored)
    expect((await archive.verify()).problems).toEqual([])
    const members = texts.map((text, index) => ({ sequence: index + 1, entityId: text, entityType: text }))
    const found = await joined(archive, members, 10)
    expect(found.map(({ entityId, entityType, row: { source } }) => [entityId, entityType, source])).toEqual(
      texts.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))).map((text) => [text, text, text]),
    )
  })

  test('only columns that are asked for, only files that hold members', async () => {
    const archive = await filled()
    const files = (await archive.snapshot())!.files
    expect(files.length).toBeGreaterThan(2)
    const { first, last } = files[1]!.sequences!
    const members = membersOf(Array.from({ length: last - first + 1 }, (_, index) => first + index))
    const rows: MemberRow[] = []
    const request = { members: chunksOf(members), to: ROWS, columns: ['timestamp', 'data'] as const }
    for await (const chunk of archive.scanMembers(request)) rows.push(...chunk)
    expect(rows.length).toBeGreaterThan(100)
    expect(rows.every(({ row: { data, raw, eventId } }) => data !== null && raw === null && eventId === null)).toBe(
      true,
    )
    expect(objects.downloads()).toEqual([files[1]!.path])
  })

  test('nothing where there are no members, no rows for them, or no table', async () => {
    const archive = await openArchive()
    const members = membersOf([1, 2, 3])
    expect(await joined(archive, members, 10)).toEqual([])
    await archive.append({ appId: APP, rows: (after) => rowsUpTo(after, 2) })
    expect(await joined(archive, [], 10)).toEqual([])
    expect(await joined(archive, membersOf([3]), 10)).toEqual([])
    expect(await joined(archive, members, 0)).toEqual([])
    expect(await joined(archive, members, 10)).toHaveLength(4)
  })

  test('a reader that stops early leaves nothing behind', async () => {
    const archive = await filled()
    const members = membersOf(Array.from({ length: ROWS }, (_, index) => index + 1))
    for await (const _ of archive.scanMembers({ members: chunksOf(members), to: ROWS })) break
    expect(await joined(archive, members.slice(0, 1), ROWS)).toHaveLength(1)
  })
})

type Ranges = readonly { start: number; end: number }[]

function bytesOf(ranges: Ranges): number {
  return ranges.reduce((sum, { start, end }) => sum + end - start, 0)
}

/** Bytes that were fetched more than once. */
function twice(ranges: Ranges): number {
  let [found, reached] = [0, 0]
  for (const { start, end } of ranges.toSorted((a, b) => a.start - b.start)) {
    found += Math.max(0, Math.min(end, reached) - start)
    reached = Math.max(reached, end)
  }
  return found
}
