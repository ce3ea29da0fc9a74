/** Exports of an open space: one snapshot whatever is built, the list of exports, kills and full disks (spec 06 §7, 05 §4.5). */
import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join as at } from 'node:path'
import { Client } from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openPostgresStore } from '../../src/adapters/postgres/store.ts'
import { openSqliteStore } from '../../src/adapters/sqlite/store.ts'
import type { ExportRow } from '../../src/ports/exports.ts'
import { day } from '../../src/testing/contract/fixtures.ts'
import { duck } from '../support/duck.ts'
import { join, openPeople, type People } from '../support/export-space.ts'
import { describePostgres, freshDatabase } from '../support/postgres.ts'

interface Place {
  readonly database: string
  listed(): Promise<ExportRow[]>
  drop(): Promise<void>
}

let folder: string
beforeEach(() => {
  folder = mkdtempSync(at(tmpdir(), 'exports-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const SQLITE = async (): Promise<Place> => {
  const database = at(folder, 'space.db')
  return {
    database,
    drop: async () => {},
    async listed() {
      const store = await openSqliteStore({ path: database, now: () => day(1), readOnly: true })
      return store.exports.list().finally(() => store.close())
    },
  }
}
const POSTGRES = async (): Promise<Place> => {
  const { url, drop } = await freshDatabase()
  return {
    database: url,
    drop,
    async listed() {
      const store = await openPostgresStore({ url, now: () => day(1) })
      return store.exports.list().finally(() => store.close())
    },
  }
}

for (const [name, suite, open] of [
  ['SQLite', describe, SQLITE],
  ['Postgres', describePostgres, POSTGRES],
] as const) {
  suite(`exports of a space on ${name}`, () => {
    let place: Place
    let space: People
    // Of files, whose rows come from anywhere: once is enough.
    const onSqlite = name === 'SQLite' ? it : (): void => undefined
    beforeEach(async () => {
      place = await open()
      space = await openPeople(place.database)
      await join(space, 0, 100)
    })
    afterEach(async () => {
      await space.close()
      await place.drop()
    })

    it('are one version of everything while full builds run in a loop', async () => {
      let people = 100
      const built = (async () => {
        for (let round = 0; round < 12; round++) {
          await space.build({ full: true })
          await join(space, people, people + 10)
          people += 10
        }
      })()
      let building = true
      void built.finally(() => {
        building = false
      })
      const seen = new Set<number>()
      for (let n = 0; building || n < 3; n++) {
        const records = await space.tables('person').toCsv(at(folder, 'out'))
        const [persons, edges] = records.map(({ rows }) => rows)
        expect(edges).toBe(persons)
        expect((persons ?? 0) % 10).toBe(0)
        const ids = (file: string): string[] =>
          readFileSync(at(folder, 'out', file), 'utf8')
            .trimEnd()
            .split('\r\n')
            .slice(1)
            .map((line) => line.slice(0, 36))
        expect(new Set(ids('rel_works_at.csv'))).toEqual(new Set(ids('person.csv')))
        seen.add(persons ?? 0)
      }
      await built
      expect(seen.size).toBeGreaterThan(1)
      expect(await space.table('person').count()).toBe(220)
    })

    it('are listed; those that failed and left nothing are not', async () => {
      const [person, edges] = await space.tables({ types: ['person'] }).toCsv(at(folder, 'out'))
      await space.table('person').toCsv(at(folder, 'out/person.csv'))
      await expect(space.table('person').toCsv(folder)).rejects.toMatchObject({ name: 'StorageError' })
      expect(person?.recorded).toBe(true)
      const rows = await place.listed()
      expect(
        rows.map(({ path, format, version, entityTypes, rows: count }) => [path, format, version, entityTypes, count]),
      ).toEqual([
        [edges?.path, 'csv', 'v1', ['person', 'company'], 100],
        [person?.path, 'csv', 'v1', ['person'], 100],
      ])
    })

    it('of other versions are theirs', async () => {
      const record = await space.version('v1').table('company').toParquet(at(folder, 'c.parquet'))
      expect(record).toMatchObject({ version: 'v1', rows: 1, entityTypes: ['company'] })
    })

    it('to a file of histories: queries of DuckDB see the same history', async () => {
      const record = await space.tables().toStore(at(folder, 'h.duckdb'), { namespace: 'shop' })
      expect(record).toMatchObject({ format: 'store', entityTypes: ['person', 'company'], rows: 201 })
      const found = await duck(
        'select (select count(*) from shop_v1.person_history) p, (select count(*) from shop_v1.relationships) r',
        at(folder, 'h.duckdb'),
      )
      expect(found).toEqual([{ p: '100', r: '100' }])
    })

    onSqlite('killed in the middle leave no file, and their row; a repeat clears the rest', async () => {
      await space.close()
      for (const [format, file] of [
        ['toParquet', 'p.parquet'],
        ['toCsv', 'p.csv'],
        ['toDuckdb', 'p.duckdb'],
      ] as const) {
        const out = at(folder, format)
        mkdirSync(out)
        if (format === 'toCsv') writeFileSync(at(out, file), 'old')
        await killedAtFirstRows(place.database, format, at(out, file))
        expect(readdirSync(out).filter((other) => other !== file).length, format).toBeGreaterThan(0)
        if (format === 'toCsv') expect(readFileSync(at(out, file), 'utf8')).toBe('old')
        else expect(readdirSync(out)).not.toContain(file)
        expect(await place.listed()).toContainEqual(expect.objectContaining({ path: at(out, file), rows: null }))
      }
      space = await openPeople(place.database)
      await space.table('person').toParquet(at(folder, 'toParquet/p.parquet'))
      await space.table('person').toCsv(at(folder, 'toCsv/p.csv'))
      await space.tables().toDuckdb(at(folder, 'toDuckdb/p.duckdb'))
      for (const [format, file] of [
        ['toParquet', 'p.parquet'],
        ['toCsv', 'p.csv'],
        ['toDuckdb', 'p.duckdb'],
      ] as const) {
        expect(readdirSync(at(folder, format)), format).toEqual([file])
      }
      expect((await place.listed()).map(({ rows }) => rows)).toEqual([100, 100, 201])
    })

    onSqlite('say so when the disk is full, and leave the old file', async () => {
      const small = at(folder, 'small')
      if (!mount(small, '300k')) return
      try {
        await join(space, 1000, 12_000)
        writeFileSync(at(small, 'p.csv'), 'old')
        for (const format of ['toCsv', 'toParquet'] as const) {
          await expect(space.table('person')[format](at(small, 'p.csv')), format).rejects.toMatchObject({
            name: 'StorageError',
            recoverable: true,
            message: expect.stringMatching(/no space left/i),
          })
          expect(readFileSync(at(small, 'p.csv'), 'utf8')).toBe('old')
          expect(readdirSync(small)).toEqual(['p.csv'])
        }
        expect(await place.listed()).toEqual([])
      } finally {
        execFileSync('umount', [small])
      }
    })
  })
}

describePostgres('snapshots in Postgres', () => {
  it('have a schema of their own, and are replaced in one step', async () => {
    const target = await freshDatabase()
    const space = await openPeople(at(folder, 'space.db'))
    const client = new Client({ connectionString: target.url })
    try {
      await join(space, 0, 20)
      const record = await space.tables().snapshot(target.url)
      expect(record).toMatchObject({ format: 'snapshot', rows: 41, bytes: null })
      expect(record.path).toBe(
        target.url.replace(/^(postgres(?:ql)?:\/\/)([^:@/]*):[^@]*@/, '$1$2@').replace(/\?.*$/, ''),
      )
      await client.connect()
      const typed = await client.query(
        `select column_name || ' ' || data_type as column from information_schema.columns
          where table_schema = 'defacto_snapshot' and table_name = 'person' order by ordinal_position`,
      )
      expect(typed.rows.map((row) => row.column)).toEqual([
        'person_id text',
        'person_state text',
        'email text',
        'visits bigint',
        'last_event_time timestamp with time zone',
        'state_entered_time timestamp with time zone',
        'created_time timestamp with time zone',
      ])
      await client.query('create view defacto_snapshot.mails as select email from defacto_snapshot.person')
      // A reader in the middle of a transaction neither waits nor is waited for.
      await client.query('begin isolation level repeatable read')
      expect((await client.query('select count(*)::int n from defacto_snapshot.mails')).rows).toEqual([{ n: 20 }])
      await join(space, 20, 30)
      await space.tables().snapshot(target.url)
      expect((await client.query('select count(*)::int n from defacto_snapshot.mails')).rows).toEqual([{ n: 20 }])
      await client.query('commit')
      expect((await client.query('select count(*)::int n from defacto_snapshot.mails')).rows).toEqual([{ n: 30 }])
      await space.tables({ types: ['company'], relationships: false }).snapshot(`${target.url}?schema=other`)
      expect((await client.query('select domain from other.company')).rows).toEqual([{ domain: 'x.org' }])
    } finally {
      await client.end()
      await space.close()
      await target.drop()
    }
  })

  it('never take the place of a space', async () => {
    const { url, drop } = await freshDatabase()
    const space = await openPeople(url, { namespace: 'shop' })
    try {
      await join(space, 0, 5)
      for (const schema of ['shop', 'shop_v1']) {
        await expect(space.tables().snapshot(`${url}?schema=${schema}`)).rejects.toThrow(/belongs to a space/)
      }
      const file = at(folder, 'other.db')
      await (await openPeople(file)).close()
      await expect(space.tables().snapshot(file)).rejects.toThrow(/holds a space/)
      expect(await space.table('person').count()).toBe(5)
    } finally {
      await space.close()
      await drop()
    }
  })
})

/** Starts the export, and kills the process when it has begun to write rows. */
async function killedAtFirstRows(database: string, format: string, path: string): Promise<void> {
  const job = new URL('../support/export-job.ts', import.meta.url).pathname
  const child = spawn(process.execPath, [job, database, format, path], { stdio: ['ignore', 'pipe', 'pipe'] })
  let told = ''
  child.stderr.on('data', (data: Buffer) => {
    told += String(data)
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve())
    child.once('close', () => reject(new Error(`the export ended: ${told}`)))
  })
  child.kill('SIGKILL')
  await ended
}

function mount(path: string, size: string): boolean {
  mkdirSync(path)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', path], { stdio: 'ignore' })
    return true
  } catch {
    console.warn('left out: no file system of its own can be made here')
    return false
  }
}
