/** Tables written to DuckDB files (spec 06 §7): typed, whole or not at all, without anybody else's tables being touched. */
import { chmod, lstat, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { writeTables } from '../../src/adapters/duckdb/history-file.ts'
import { openDuckdb } from '../../src/adapters/duckdb/instance.ts'
import { openDuckdbReader } from '../../src/adapters/duckdb/reader.ts'
import { historyLayout } from '../../src/core/program/layout.ts'
import { ConfigError, StorageError } from '../../src/errors.ts'
import type { ExportColumn, ExportTable } from '../../src/ports/exports.ts'
import { DuckdbProcess } from '../support/duckdb-process.ts'
import { DEFINITIONS } from '../support/query-store.ts'
import { room } from '../support/room.ts'

const FLAT = { format: 'duckdb' } as const
const AT = '2024-02-29T12:34:56.789012+00:00'

let folder: string
let file: string
beforeEach(async () => {
  folder = await mkdtemp(join(room(), 'defacto-duckdb-file-'))
  file = join(folder, 'out.duckdb')
})
afterEach(() => rm(folder, { recursive: true }))

type Rows = readonly (readonly unknown[])[]

async function* chunksOf(...chunks: readonly Rows[]): AsyncGenerator<Rows> {
  yield* chunks
}
function table(name: string, columns: readonly ExportColumn[], ...chunks: readonly Rows[]): ExportTable {
  return { name, columns, chunks: chunksOf(...chunks) }
}
const customers = (...names: string[]): ExportTable =>
  table(
    'customer',
    [{ name: 'name', type: 'string' }],
    names.map((name) => [name]),
  )

async function ask(sql: string, path = file): Promise<unknown[][]> {
  const connection = await openDuckdb(path, { readOnly: true })
  try {
    const result = await connection.runAndReadAll(sql)
    return result.getRowsJson() as unknown[][]
  } finally {
    connection.closeSync()
  }
}
/** Nothing but the file is left. */
async function onlyTheFile(): Promise<void> {
  expect(await readdir(folder)).toEqual(['out.duckdb'])
}

describe('tables', () => {
  it('have the types of their columns', async () => {
    const columns = [
      { name: 'text', type: 'string' },
      { name: 'number', type: 'number' },
      { name: 'whole', type: 'integer' },
      { name: 'flag', type: 'boolean' },
      { name: 'at', type: 'datetime' },
      { name: 'odd "name"', type: 'string' },
    ] as const
    const rows = [
      ['a\n"b", ü', 0.1, 2n ** 62n, true, AT, ''],
      [null, null, null, null, null, null],
      ['', -3, -7, false, '0001-01-01T00:00:00+00:00', 'x'],
    ]
    const { rows: count, bytes } = await writeTables(file, FLAT, [table('t', columns, rows)])
    expect(count).toBe(3)
    expect(bytes).toBe((await stat(file)).size)
    expect(await ask('select column_name, column_type from (describe t)')).toEqual([
      ['text', 'VARCHAR'],
      ['number', 'DOUBLE'],
      ['whole', 'BIGINT'],
      ['flag', 'BOOLEAN'],
      ['at', 'TIMESTAMP WITH TIME ZONE'],
      ['odd "name"', 'VARCHAR'],
    ])
    expect(await ask('select text, number, whole, flag, epoch_us("at"), "odd ""name""" from t')).toEqual([
      ['a\n"b", ü', 0.1, String(2n ** 62n), true, '1709210096789012', ''],
      [null, null, null, null, null, null],
      ['', -3, '-7', false, '-62135596800000000', 'x'],
    ])
  })

  it('take the types of values where nobody knows the column, as wide as the values need', async () => {
    const names = ['none', 'whole', 'number', 'flag', 'text', 'wider', 'late', 'mixed']
    const columns = names.map((name): ExportColumn => ({ name, type: 'unknown' }))
    const first = [[null, 1, 1.5, true, 'a', 1, null, 1]]
    const later = [[null, 2n ** 60n, 2, false, 'b', 2.5, false, 'x']]
    await writeTables(file, FLAT, [table('t', columns, first, later)])
    expect(await ask('select column_type from (describe t)')).toEqual([
      ['VARCHAR'],
      ['BIGINT'],
      ['DOUBLE'],
      ['BOOLEAN'],
      ['VARCHAR'],
      ['DOUBLE'],
      ['BOOLEAN'],
      ['VARCHAR'],
    ])
    expect(await ask('select wider, late, mixed from t')).toEqual([
      [1, null, '1'],
      [2.5, false, 'x'],
    ])
  })

  it('replace those of their names, and leave the others', async () => {
    await writeTables(file, FLAT, [customers('a', 'b'), table('other', [{ name: 'n', type: 'integer' }], [[1]])])
    const own = await openDuckdb(file)
    await own.run('create view main.seen as select * from other; create table mine as select 7 as x')
    own.closeSync()
    await writeTables(file, FLAT, [customers('c'), table('seen', [{ name: 'n', type: 'integer' }], [[9]])])
    expect(await ask('select * from customer')).toEqual([['c']])
    expect(await ask('select (select n from other), (select x from mine), (select n from seen)')).toEqual([
      ['1', 7, '9'],
    ])
    await onlyTheFile()
  })

  it('come in any number of rows, and say how far they are', async () => {
    const many = Array.from({ length: 5000 }, (_, i) => [i])
    const seen: number[] = []
    const { rows } = await writeTables(file, FLAT, [table('t', [{ name: 'n', type: 'integer' }], [], many, [[5000]])], {
      onProgress: (progress) => seen.push(progress.rows),
    })
    expect(rows).toBe(5001)
    expect(seen).toEqual([2048, 4096, 5000, 5001])
    expect(await ask('select count(*)::integer, sum(n)::integer, max(n)::integer from t')).toEqual([
      [5001, 12_502_500, 5000],
    ])
  })

  it('make folders that are missing', async () => {
    const deep = join(folder, 'a', 'b', 'out.duckdb')
    await writeTables(deep, FLAT, [customers('x')])
    expect(await ask('select * from customer', deep)).toEqual([['x']])
  })
})

describe('a link', () => {
  it('goes on pointing at the file, whose permissions stay', async () => {
    await writeTables(file, FLAT, [customers('a')])
    await chmod(file, 0o600)
    await symlink(file, join(folder, 'link'))
    await writeTables(join(folder, 'link'), FLAT, [table('t', [{ name: 'n', type: 'integer' }], [[1]])])
    expect(await ask('select name, n from customer, t')).toEqual([['a', '1']])
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect((await lstat(join(folder, 'link'))).isSymbolicLink()).toBe(true)
  })
})

describe('a write that fails', () => {
  beforeEach(() => writeTables(file, FLAT, [customers('old')]))

  it('leaves the old file, and nothing else', async () => {
    const before = await readFile(file)
    async function* broken(): AsyncGenerator<Rows> {
      yield [['new']]
      throw new Error('the source broke')
    }
    const writing = writeTables(file, FLAT, [{ ...customers(), chunks: broken() }])
    await expect(writing).rejects.toThrow('the source broke')
    const wrong = writeTables(file, FLAT, [table('t', [{ name: 'n', type: 'integer' }], [['seven']])])
    await expect(wrong).rejects.toThrow(/column "n" holds a value that is no integer/)
    expect(await readFile(file)).toEqual(before)
    await onlyTheFile()
  })

  it('that is called off, too', async () => {
    const stop = new AbortController()
    async function* endless(): AsyncGenerator<Rows> {
      for (let i = 0; ; i++) {
        if (i === 3) stop.abort(new Error('enough'))
        yield [[`new ${i}`]]
      }
    }
    const writing = writeTables(file, FLAT, [{ ...customers(), chunks: endless() }], { signal: stop.signal })
    await expect(writing).rejects.toThrow('enough')
    expect(await ask('select * from customer')).toEqual([['old']])
    await onlyTheFile()
  })

  it('killed in the middle: the old file is whole, and the next export clears what it left', async () => {
    const { process: writer, said } = await DuckdbProcess.start('export', file)
    expect(said).toBe('half-way')
    expect((await readdir(folder)).length).toBeGreaterThan(1)
    await writer.kill()
    expect(await ask('select * from customer')).toEqual([['old']])
    await writeTables(file, FLAT, [customers('new')])
    expect(await ask('select * from customer')).toEqual([['new']])
    expect(await ask("select count(*)::integer from duckdb_tables() where table_name = 'slow'")).toEqual([[0]])
    await onlyTheFile()
  })

  it('because another export is under way says so, and harms neither', async () => {
    const { process: writer } = await DuckdbProcess.start('export', file)
    const second = await writeTables(file, FLAT, [customers('new')]).catch((error: unknown) => error)
    expect(second).toBeInstanceOf(StorageError)
    expect(second).toMatchObject({ recoverable: true, message: expect.stringMatching(/another export is writing/) })
    expect(await writer.finish()).toBe('done')
    await writeTables(file, FLAT, [customers('new')])
    expect(await ask('select (select count(*)::integer from slow), name from customer')).toEqual([[5001, 'new']])
    await onlyTheFile()
  })

  it('because one of this process is under way, too', async () => {
    let go = (): void => {}
    const waiting = new Promise<void>((resolve) => {
      go = resolve
    })
    async function* held(): AsyncGenerator<Rows> {
      yield [['first']]
      await waiting
    }
    const first = writeTables(file, FLAT, [{ ...customers(), chunks: held() }])
    await expect(writeTables(file, FLAT, [customers('second')])).rejects.toThrow(/another export is writing/)
    go()
    await first
    expect(await ask('select * from customer')).toEqual([['first']])
    await onlyTheFile()
  })

  it('because the file is something else, or held by a writer, leaves it alone', async () => {
    const { process: writer } = await DuckdbProcess.start('write', file)
    const held = await writeTables(file, FLAT, [customers('new')]).catch((error: unknown) => error)
    expect(held).toMatchObject({ recoverable: true, message: expect.stringMatching(/another process \(\d+\) holds/) })
    expect(await writer.finish()).toBe('1')
    await writeTables(file, FLAT, [customers('new')])
    expect(await ask('select * from customer, of_a_process')).toEqual([['new', 1]])

    const text = join(folder, 'notes.txt')
    await writeFile(text, 'not a database')
    await expect(writeTables(text, FLAT, [customers('x')])).rejects.toThrow(/is not a DuckDB file/)
    expect(await readFile(text, 'utf8')).toBe('not a database')
    await expect(writeTables(join(text, 'x.duckdb'), FLAT, [])).rejects.toThrow(StorageError)
    await expect(writeTables(folder, FLAT, [])).rejects.toThrow(StorageError)
  })

  it('what a process that died had written to the log of the file is not lost', async () => {
    const { process: writer } = await DuckdbProcess.start('write', file)
    await writer.kill()
    expect(await readdir(folder)).toContain('out.duckdb.wal')
    await writeTables(file, FLAT, [customers('new')])
    expect(await ask('select * from customer, of_a_process')).toEqual([['new', 1]])
    await onlyTheFile()
  })
})

describe('a reader', () => {
  it('in another process goes on with the file it has, and the file is replaced all the same', async () => {
    await writeTables(file, FLAT, [customers('a', 'b')])
    const { process: reader, said } = await DuckdbProcess.start('read', file)
    expect(said).toBe('half-way')
    await writeTables(file, FLAT, [customers('c', 'd', 'e')])
    expect(await ask('select count(*)::integer from customer')).toEqual([[3]])
    expect(await reader.finish()).toBe('2')
  })
})

describe('a store of histories', () => {
  const layout = historyLayout(DEFINITIONS)
  const version = (name: string) =>
    ({ format: 'store', namespace: 'shop', version: name, layout, definitions: `{"v":"${name}"}` }) as const
  const COLUMNS: readonly ExportColumn[] = [
    { name: 'source_id', type: 'string' },
    { name: 'target_id', type: 'string' },
    { name: 'relationship_type', type: 'string' },
    { name: 'valid_from', type: 'datetime' },
  ]
  const placed = (...targets: string[]): ExportTable =>
    table(
      'rel_placed_order_history',
      COLUMNS,
      targets.map((target) => ['c', target, 'placed_order', AT]),
    )

  it('has a schema for every version, views over its edges, and its definitions', async () => {
    await writeTables(file, FLAT, [customers('flat')])
    await writeTables(file, version('v1'), [placed('o1', 'o2')])
    await writeTables(file, version('v2'), [placed('o3')])
    await writeTables(file, version('v1'), [placed('o4')])
    const { reader, versions, close } = await openDuckdbReader({ path: file, namespace: 'shop' })
    expect(await versions()).toEqual([
      { version: 'v1', definitions: '{"v":"v1"}' },
      { version: 'v2', definitions: '{"v":"v2"}' },
    ])
    const rowsOf = async (sql: string): Promise<unknown[][]> => (await reader.all(sql, [])).rows
    expect(await rowsOf(`select * from ${reader.relationshipsView('v1')}`)).toEqual([
      ['c', 'o4', 'placed_order', AT, null],
    ])
    const inverse = reader.relation('v2', 'relationship', 'ordered_by')
    expect(await rowsOf(`select source_id, target_id, relationship_type from ${inverse}`)).toEqual([
      ['o3', 'c', 'ordered_by'],
    ])
    expect(await rowsOf(`select count(*) from ${reader.relation('v1', 'history', 'customer')}`)).toEqual([[0n]])
    await close()
    expect(await ask('select * from customer')).toEqual([['flat']])
  })

  it('shows each edge once when both sides of a relationship are given', async () => {
    const ordered = table('rel_ordered_by_history', COLUMNS, [
      ['o1', 'c', 'ordered_by', AT],
      ['o2', 'c', 'ordered_by', AT],
    ])
    await writeTables(file, version('v1'), [placed('o1', 'o2'), ordered])
    const count = (name: string) => ask(`select count(*)::integer from shop_v1.${name}`)
    expect(await count('rel_placed_order_history')).toEqual([[2]])
    expect(await count('rel_ordered_by_history')).toEqual([[2]])
    expect(await count('relationships')).toEqual([[2]])
  })

  it('refuses tables that the version does not have, and names that DuckDB would confuse', async () => {
    await expect(writeTables(file, version('v1'), [customers('x')])).rejects.toThrow(/no table "customer"/)
    const clash = writeTables(join(folder, 'shop_v1.duckdb'), version('v1'), [])
    await expect(clash).rejects.toThrow(ConfigError)
    expect(await readdir(folder)).toEqual([])
  })
})
