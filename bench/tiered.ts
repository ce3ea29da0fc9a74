/**
 * The cold tier: a ledger that is archived, taken out of the database and read from the archive, each work in a process
 * of its own and beside the bare work. Prints one JSON document.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateRecords } from './records.ts'
import type { Cost, Measured } from './result.ts'
import { openStore, type StoreName } from './store.ts'
import type { TieredMeasured, TieredResult } from './tiered-result.ts'
import type { Job, Report, Work } from './tiered-work.ts'

const CLOCK = '2024-05-01T00:00:00Z'

type Limit = Pick<Measured, 'limit' | 'limitName' | 'target'>

/** Nothing large is held here: a process begins with the peak memory of the one that starts it. */
async function tiered(name: StoreName, lines: number, scratch: string): Promise<TieredResult> {
  await using store = await openStore(name, scratch)
  const job: Job = {
    place: store.place('space'),
    archive: join(scratch, 'archive'),
    scratch: join(scratch, 'limits'),
    now: CLOCK,
    records: join(scratch, 'records'),
  }
  mkdirSync(job.scratch)
  const load: number[] = [loadavg()[0] ?? 0]
  const results: TieredMeasured[] = []
  const add = (work: string, { rows, cost, peakRss }: Report<'flush'>, bare: Limit = NO_LIMIT): void => {
    results.push({ work, unit: 'rows', count: rows, ours: cost, ...bare, peakRss })
  }

  generateRecords(job.records, lines, 1)
  const { rows: events } = run('ingest', job)
  rmSync(job.records)
  const hot = run('full', job)
  add('FULL, hot', hot)
  const { ledger } = run('bytes', job)
  add('switching on', run('begin', job))

  const flush = run('flush', job)
  const { rows, pieces } = run('bareFlush', job)
  assertSame('flush', flush.rows, rows)
  add('flush', flush, { limit: sum(Object.values(pieces)), limitName: 'its bare pieces', target: 0.6 })

  const hash = { limit: run('bareVerify', job).cost, limitName: 'DuckDB, hash of all', target: null }
  add('verify', run('verify', job), hash)
  add('prune', run('prune', job), hash)

  const [replay, bareReplay] = [run('replay', job), run('bareReplay', job)]
  assertSame('replay', replay.rows, bareReplay.rows)
  add('replay by time', replay, { limit: bareReplay.cost, limitName: 'DuckDB, sorted', target: 0.6 })
  const [scan, bareScan] = [run('scan', job), run('bareScan', job)]
  assertSame('scan', scan.rows, bareScan.rows)
  add('scan by sequence', scan, { limit: bareScan.cost, limitName: 'DuckDB, all columns', target: 0.6 })

  const cold = run('full', job)
  assertSame('FULL', cold.rows, hot.rows)
  add('FULL, all archived', cold, { limit: hot.cost, limitName: 'FULL, hot', target: 0.7 })
  const entity = run('entity', job)
  const { archive, ids } = run('bytes', job)
  load.push(loadavg()[0] ?? 0)
  return { store: name, events, results, pieces, entity, bytes: { archive, ledger, ids }, load }
}

const NO_LIMIT: Limit = { limit: null, limitName: '', target: null }

function run<W extends Work>(work: W, job: Job): Report<W> {
  const program = join(import.meta.dirname, 'tiered-work.ts')
  const output = execFileSync(process.execPath, [...process.execArgv, program, work, JSON.stringify(job)], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return JSON.parse(output) as Report<W>
}

function assertSame(work: string, ours: number, bare: number): void {
  if (ours !== bare) throw new Error(`${work}: ${ours} rows of ours, ${bare} of the limit`)
}

function sum(costs: readonly Cost[]): Cost {
  return costs.reduce((all, { ms, cpu, server }) => ({
    ms: all.ms + ms,
    cpu: all.cpu + cpu,
    server: all.server + server,
  }))
}

const [name = '', lines = ''] = process.argv.slice(2)
const scratch = mkdtempSync(join(tmpdir(), 'defacto-bench-tiered-'))
try {
  process.stdout.write(JSON.stringify(await tiered(name as StoreName, Number(lines), scratch)))
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
