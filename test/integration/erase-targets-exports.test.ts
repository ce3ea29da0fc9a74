/** A person leaves what was exported, where that was asked for (spec 05 §4.5); what is out of reach is named. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join as at, basename, dirname } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSqliteStore } from '../../src/adapters/sqlite/store.ts'
import { erasureTargets } from '../../src/erasure-targets.ts'
import { StorageError } from '../../src/errors.ts'
import type { ErasureTarget, FrozenSubject } from '../../src/ports/erasure.ts'
import type { ExportRow } from '../../src/ports/exports.ts'
import type { Store } from '../../src/ports/store.ts'
import { day } from '../../src/testing/contract/fixtures.ts'
import { frozenSubject } from '../../src/testing/contract/run-log-erase.ts'
import { duck } from '../support/duck.ts'
import { join, openPeople, type People } from '../support/export-space.ts'
import { describeNeo4j, freshSpace } from '../support/neo4j.ts'
import { describePostgres, execute, freshDatabase } from '../support/postgres.ts'

const MAIL = 'p7@x.org'
let folder: string
let space: People
let store: Store
let id: string

beforeEach(async () => {
  folder = mkdtempSync(at(tmpdir(), 'purges-'))
  space = await openPeople(at(folder, 'space.db'))
  await join(space, 0, 50)
  const [row] = await space.table('person').filter({ email: MAIL }).rows()
  id = String(row?.person_id)
  store = await openSqliteStore({ path: at(folder, 'space.db'), now: () => day(1) })
})
afterEach(async () => {
  await store?.close()
  await space.close()
  rmSync(folder, { recursive: true, force: true })
})

function exportsTarget(addresses: readonly string[] = []): ErasureTarget {
  const [target] = erasureTargets({ store, deadLetter: null, addresses })
  if (target?.name !== 'exports') throw new Error('no target for exports')
  return target
}

let requests = 0
async function subjectOf(purgeExports: boolean, ids: readonly string[] = [id]): Promise<FrozenSubject> {
  requests += 1
  const requestId = `q_${requests}`
  await store.privacy.create({
    requestId,
    kind: 'erase',
    entityId: ids[0] ?? null,
    status: 'erasing',
    reason: null,
    requestedBy: null,
    requestedAt: '2024-01-01T00:00:00+00:00',
    deadline: '2024-01-31T00:00:00+00:00',
    approvedBy: null,
    approvedAt: null,
    closedAt: null,
    options: { suppress: false, purgeExports, sticky: true },
    waitingFor: [],
    retryAt: null,
    warnedMs: 0,
    holdsCheckedAt: null,
    receipt: null,
    runId: null,
  })
  const entities = ids.map((one) => ({ id: one, type: 'person' }))
  return frozenSubject(ids, [MAIL], { requestId, entities, pivotAt: '2100-01-01T00:00:00+00:00' })
}

const bytes = (path: string): string => readFileSync(path, 'latin1')

/** Every file below the folder but the space itself that has the text in it. */
function filesWith(text: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.startsWith('space.db'))
    .map((entry) => at(entry.parentPath, entry.name))
    .filter((path) => bytes(path).includes(text))
}

describe('exports that are purged', () => {
  it('in files of every format lose the rows and bytes of the person, and of nobody else', async () => {
    const all = space.tables()
    await all.toCsv(at(folder, 'csv'))
    await all.toParquet(at(folder, 'parquet'))
    await all.toDuckdb(at(folder, 'flat.duckdb'))
    await all.toStore(at(folder, 'histories.duckdb'), { namespace: 'shop' })
    await all.toGraphJson(at(folder, 'graph.json'))
    await all.toNetworkx(at(folder, 'networkx.json'))
    await all.snapshot(at(folder, 'snapshot.db'))
    await all.snapshot(`duckdb:///${at(folder, 'snapshot.ddb')}`)
    const csv = bytes(at(folder, 'csv/person.csv'))
    const target = exportsTarget()
    const subject = await subjectOf(true)
    expect(await target.plan(subject)).toBe(10)
    expect((await target.verify(subject)).remaining).toBe(16)
    const [outcome] = await target.erase([subject], {})
    expect(outcome).toEqual({ action: 'purged', items: 16, outstanding: [] })
    expect(await target.verify(subject)).toEqual({ remaining: 0, method: 'scan' })
    expect(filesWith(MAIL)).toEqual([])
    expect(filesWith(id)).toEqual([])
    expect(bytes(at(folder, 'csv/person.csv'))).toBe(
      csv
        .split('\r\n')
        .filter((line) => !line.includes(MAIL))
        .join('\r\n'),
    )
    expect((await space.table('person').count()) - 1).toBe(49)
    const counts = `select (select count(*) from 'PATH/parquet/person.parquet') a, (select count(*) from 'PATH/parquet/rel_works_at.parquet') b`
    expect(await duck(counts.replaceAll('PATH', folder))).toEqual([{ a: '49', b: '49' }])
    expect(await duck('select (select count(*) from person) a', at(folder, 'flat.duckdb'))).toEqual([{ a: '49' }])
    const histories =
      'select (select count(*) from shop_v1.person_history) a, (select count(*) from shop_v1.relationships) b'
    expect(await duck(histories, at(folder, 'histories.duckdb'))).toEqual([{ a: '49', b: '49' }])
    for (const name of ['graph.json', 'networkx.json']) {
      const { nodes, edges } = JSON.parse(bytes(at(folder, name))) as { nodes: unknown[]; edges: unknown[] }
      expect([nodes.length, edges.length]).toEqual([50, 49])
    }
    expect(readdirSync(folder).filter((name) => /part|lock/.test(name))).toEqual([])
    const [again] = await target.erase([subject], {})
    expect(again).toEqual({ action: 'purged', items: 0, outstanding: [] })
  })

  it('one rewrite serves several people, and each has their own rows', async () => {
    await space.table('person').toCsv(at(folder, 'p.csv'))
    const people = await space.table('person').rows()
    const [a, b] = people.slice(0, 2).map((row) => String(row.person_id)) as [string, string]
    const outcomes = await exportsTarget().erase([await subjectOf(true, [a]), await subjectOf(true, [b])], {})
    expect(outcomes.map(({ items }) => items)).toEqual([1, 1])
    expect(bytes(at(folder, 'p.csv')).trimEnd().split('\r\n')).toHaveLength(49)
  })

  it('without being asked to go they are named', async () => {
    const record = await space.table('person').toCsv(at(folder, 'p.csv'))
    await space.table('company').toCsv(at(folder, 'c.csv'))
    const [outcome] = await exportsTarget().erase([await subjectOf(false)], {})
    expect(outcome).toMatchObject({
      action: 'declared',
      items: 0,
      outstanding: [{ store: `export:${record.exportId}` }],
    })
    expect(filesWith(MAIL)).toHaveLength(1)
  })

  it('what cannot be found, read or told apart is outstanding, what is gone is done', async () => {
    await space.table('person').toCsv(at(folder, 'gone.csv'))
    rmSync(at(folder, 'gone.csv'))
    await space.table('person').toCsv(at(folder, 'elsewhere/far.csv'))
    rmSync(at(folder, 'elsewhere'), { recursive: true })
    await space.table('person').select('email').toParquet(at(folder, 'mails.parquet'))
    await space.tables().toGraphJson(at(folder, 'graph.json'))
    writeFileSync(at(folder, 'graph.json'), JSON.stringify(JSON.parse(bytes(at(folder, 'graph.json')))))
    await space.tables().toDuckdb(at(folder, 'broken.duckdb'))
    writeFileSync(at(folder, 'broken.duckdb'), 'nothing')
    await space.table('person').toParquet(at(folder, 'broken.parquet'))
    writeFileSync(at(folder, 'broken.parquet'), 'nothing')
    const target = exportsTarget()
    const subject = await subjectOf(true)
    const [outcome] = await target.erase([subject], {})
    const reasons = new Map((await listed()).map(({ exportId, path }) => [`export:${exportId}`, basename(path)]))
    expect(outcome?.outstanding?.map(({ store: name, reason }) => [reasons.get(name), reason])).toEqual([
      ['far.csv', expect.stringContaining('another machine')],
      ['mails.parquet', expect.stringContaining('do not say whose')],
      ['graph.json', expect.stringContaining('not as it was written')],
      ['broken.duckdb', expect.stringContaining('no database')],
      ['broken.parquet', expect.stringContaining('cannot be read')],
    ])
    expect((await target.verify(subject)).remaining).toBe(0)
  })

  it('one that a killed process left is cleared; one that is being written is waited for', async () => {
    const path = at(folder, 'killed.csv')
    const row = { path, format: 'csv', version: 'v1', entityTypes: ['person'] } as const
    await store.exports.begin({ exportId: 'x_1', ...row, at: '2024-01-01T00:00:00+00:00' })
    const part = at(folder, `.killed.csv.0badc0de-1-0.0badc0de.part`)
    writeFileSync(part, MAIL)
    const target = exportsTarget()
    const subject = await subjectOf(true)
    await expect(target.erase([subject], {})).rejects.toMatchObject({ recoverable: true })
    rmSync(part)
    expect(await target.erase([subject], {})).toEqual([{ action: 'purged', items: 0, outstanding: [] }])
  })

  it('a server that does not answer is asked again, and keeps no other export from its purge', async () => {
    const row = { format: 'snapshot', version: 'v1', entityTypes: ['person'] } as const
    await store.exports.begin({
      exportId: 'x_1',
      path: 'postgresql://me@127.0.0.1:1/none',
      ...row,
      at: '2020-01-01T00:00:00+00:00',
    })
    await space.table('person').toCsv(at(folder, 'p.csv'))
    await expect(exportsTarget().erase([await subjectOf(true)], {})).rejects.toThrow(StorageError)
    expect(filesWith(MAIL)).toEqual([])
  })

  it('about one person go whole, those about others are named', async () => {
    for (const [name, whose] of [
      ['mine', id],
      ['others', 'somebody'],
    ] as const) {
      const path = at(folder, name)
      mkdirSync(path)
      writeFileSync(at(path, 'subject.json'), JSON.stringify({ entities: [{ id: whose }] }))
      writeFileSync(at(path, 'relationships.csv'), `source_id,target_id\r\n${whose},${id}\r\n`)
      const row = { path, format: 'subject', version: 'v1', entityTypes: ['person'] } as const
      await store.exports.begin({ exportId: `x_${name}`, ...row, at: '2024-01-01T00:00:00+00:00' })
      await store.exports.finish(`x_${name}`, { rows: 1, bytes: null })
    }
    const [outcome] = await exportsTarget().erase([await subjectOf(true)], {})
    expect(outcome).toMatchObject({ items: 2, outstanding: [{ store: 'export:x_others' }] })
    expect([existsSync(at(folder, 'mine')), existsSync(at(folder, 'others'))]).toEqual([false, true])
  })
})

describePostgres('snapshots on a server', () => {
  it('lose the rows in the schema that was written to', async () => {
    const { url, drop } = await freshDatabase()
    try {
      await space.tables().snapshot(`${url}?schema=other`)
      await space.tables().snapshot(url)
      expect((await listed()).map(({ path }) => path.endsWith('?schema=other'))).toEqual([true, false])
      await execute(
        url,
        `create table other.notes (body text, n integer); insert into other.notes values ('${id}', 1), ('x', 2)`,
      )
      const target = exportsTarget([`${url}?schema=other`, url])
      const subject = await subjectOf(true)
      const [outcome] = await target.erase([subject], {})
      expect(outcome).toEqual({ action: 'purged', items: 5, outstanding: [] })
      expect((await target.verify(subject)).remaining).toBe(0)
      expect(dirname(folder)).toBe(tmpdir())
    } finally {
      await drop()
    }
  })
})

describeNeo4j('graphs on a server', () => {
  it('lose the node and its edges', async () => {
    await using neo4j = await freshSpace()
    await space.tables().toNeo4j(neo4j.url, { space: neo4j.name })
    const target = exportsTarget([neo4j.url])
    const subject = await subjectOf(true)
    const [outcome] = await target.erase([subject], {})
    expect(outcome).toEqual({ action: 'purged', items: 2, outstanding: [] })
    expect((await target.verify(subject)).remaining).toBe(0)
    const [count] = await neo4j.cypher('MATCH (n:Person) WHERE n._defacto_space = $space RETURN count(n) AS n')
    expect(Number(count?.['n'])).toBe(49)
  })
})

function listed(): Promise<ExportRow[]> {
  return store.exports.list()
}
