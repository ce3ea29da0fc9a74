/** What was removed is in no byte of the database's files once it was scrubbed (spec 10 §10). */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { chmod } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join as at } from 'node:path'
import { Client } from 'pg'
import { describe, expect, it } from 'vitest'
import { createLogger } from '../../src/adapters/log/logger.ts'
import { openPostgresStore } from '../../src/adapters/postgres/store.ts'
import { openSqliteStore } from '../../src/adapters/sqlite/store.ts'
import { Engine } from '../../src/engine/engine.ts'
import { outstandingFiles, scrubDatabase } from '../../src/engine/privacy/scrub.ts'
import type { Store } from '../../src/ports/store.ts'
import { inUnit } from '../../src/testing/contract/backend.ts'
import { day, event } from '../../src/testing/contract/fixtures.ts'
import { frozenSubject } from '../../src/testing/contract/run-log-erase.ts'
import { letter } from '../../src/testing/contract/run-log-fixtures.ts'
import { describePostgres, execute, withServer } from '../support/postgres.ts'

const CANARY = 'canary-7f3a91-ada-lovelace'
const OTHER = 'other-51cc02'

/** Fills letters, ledger and identity with the value and removes it, as an erasure does. */
async function plantAndRemove(store: Store): Promise<void> {
  const person = frozenSubject(['m-1'], [CANARY])
  const rows = Array.from({ length: 300 }, (_, n) => n)
  await inUnit(store, async (unit) => {
    await store.log.letters.add(
      unit,
      null,
      rows.map((n) => letter({ raw: { name: n % 3 === 0 ? CANARY : `${OTHER}-${n}` } })),
    )
    const keys = rows.map((n) => ({
      entityType: 'member',
      hintType: 'name',
      value: `${n % 3 === 0 ? CANARY : OTHER}-${n}`,
      entityId: n % 3 === 0 ? 'm-1' : `m-${n}`,
    }))
    await store.identity.insert(unit, keys)
    await store.ledger.append(
      unit,
      rows.map((n) => event(`e-${n}`, { data: { name: n % 3 === 0 ? CANARY : OTHER } } as never)),
    )
  })
  await inUnit(store, async (unit) => {
    await store.log.letters.erase(unit, person)
    await store.identity.erase(unit, ['m-1'])
    const gone = rows.filter((n) => n % 3 === 0).map((n) => ({ sequence: n + 1, digest: null }))
    await store.ledger.empty(unit, gone)
  })
}

function engineOf(store: Store): Engine {
  return new Engine({
    store,
    clock: () => new Date(),
    logger: createLogger({ level: 'ERROR' }),
    deadLetter: null,
    newId: () => 'x',
    batchSize: 100,
    processStart: '',
  })
}

/** Files below the folder that have the text in them. */
function filesWith(folder: string, text: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => at(entry.parentPath, entry.name))
    .filter((path) => existsSync(path) && readFileSync(path).includes(text))
}

describe('scrubbing SQLite', () => {
  it('leaves nothing of what was removed, and everything else', async () => {
    const folder = mkdtempSync(at(tmpdir(), 'scrub-'))
    const store = await openSqliteStore({ path: at(folder, 'space.db'), now: () => day(1) })
    try {
      await plantAndRemove(store)
      const pivotAt = new Date().toISOString().replace('Z', '+00:00')
      expect(filesWith(folder, CANARY)).not.toEqual([])
      expect(await outstandingFiles(store, pivotAt)).toMatchObject([{ store: 'database_files' }])
      const engine = engineOf(store)
      const { bytesBefore, bytesAfter, left } = await scrubDatabase(engine)
      expect(left).toEqual([])
      expect(bytesAfter).toBeLessThan(bytesBefore)
      expect(filesWith(folder, CANARY)).toEqual([])
      expect(filesWith(folder, OTHER)).not.toEqual([])
      expect(await outstandingFiles(store, pivotAt)).toEqual([])
      expect(await outstandingFiles(store, '2999-01-01T00:00:00+00:00')).toHaveLength(1)
      expect(await store.log.letters.list()).toHaveLength(200)
      expect(await store.ledger.count()).toBe(200)
    } finally {
      await store.close()
      rmSync(folder, { recursive: true })
    }
  })

  it('waits for readers of older snapshots', async () => {
    const folder = mkdtempSync(at(tmpdir(), 'scrub-'))
    const store = await openSqliteStore({ path: at(folder, 'space.db'), now: () => day(1) })
    const second = await openSqliteStore({ path: at(folder, 'space.db'), now: () => day(1) })
    try {
      await plantAndRemove(store)
      const rows = second.ledger.scan({ after: 0, to: 300, chunk: 10 })[Symbol.asyncIterator]()
      await rows.next()
      const scrubbing = scrubDatabase(engineOf(store))
      await rows.next()
      await rows.return?.()
      await scrubbing
      expect(filesWith(folder, CANARY)).toEqual([])
    } finally {
      await second.close()
      await store.close()
      rmSync(folder, { recursive: true })
    }
  })
})

describePostgres('scrubbing Postgres', () => {
  it('leaves nothing of what was removed in the folder of the server, and says what is not its own', async () => {
    const data = mkdtempSync('/tmp/scrub-')
    await chmod(data, 0o755)
    await withServer({ data }, async ({ url }) => {
      const store = await openPostgresStore({ url, now: () => day(1) })
      try {
        await plantAndRemove(store)
        // As autovacuum would have: values of rows that are gone are quoted by statistics.
        await execute(url, 'analyze')
        await execute(url, 'checkpoint')
        expect(filesWith(data, CANARY)).not.toEqual([])
        const scrubbed = await scrubDatabase(engineOf(store))
        expect(scrubbed.left).toEqual([expect.stringContaining('standby')])
        expect(scrubbed.bytesAfter).toBeLessThan(scrubbed.bytesBefore)
        expect(filesWith(data, CANARY)).toEqual([])
        expect(await outstandingFiles(store, '2024-01-01T00:00:00+00:00')).toHaveLength(1)
        expect(await store.log.letters.list()).toHaveLength(200)
      } finally {
        await store.close()
      }
      // A role that owns nothing but its space says what is left to an administrator.
      await execute(url, `create role keeper login password 'k'`)
      await execute(url, 'create database kept owner keeper')
      const kept = new URL(url)
      kept.pathname = 'kept'
      kept.username = 'keeper'
      kept.password = 'k'
      const modest = await openPostgresStore({ url: kept.href, now: () => day(1) })
      try {
        await plantAndRemove(modest)
        const { left } = await scrubDatabase(engineOf(modest))
        expect(left.map((reason) => /pg_statistic|pg_switch_wal|standby/.exec(reason)?.[0])).toEqual([
          'pg_statistic',
          'pg_switch_wal',
          'standby',
        ])
        const reader = new Client({ connectionString: kept.href })
        await reader.connect()
        // A snapshot of something else holds on to every row there was.
        await reader.query('begin isolation level repeatable read')
        await reader.query('select 1 from pg_class limit 1')
        await inUnit(modest, (unit) => modest.log.letters.erase(unit, frozenSubject(['m-1'], [`${OTHER}-1`])))
        await expect(scrubDatabase(engineOf(modest))).rejects.toThrow(/still sees what was removed/)
        await reader.end()
        await scrubDatabase(engineOf(modest))
      } finally {
        await modest.close()
      }
    })
    rmSync(data, { recursive: true, force: true })
  }, 120_000)
})
