/**
 * Erasing and redacting one of many, hot and archived, and a batch of requests: `privacy.ts <store> <records> <requests>`.
 * Prints one JSON document.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Defacto } from '../src/index.ts'
import type { PrivacyResult } from './privacy-result.ts'
import { asRecords, generateRecords, slices } from './records.ts'
import { type Cost, type Measured, Stopwatch } from './result.ts'
import { openStore, type StoreName } from './store.ts'

const DEFINITIONS = join(import.meta.dirname, '..', 'definitions')
const CLOCK = '2024-05-01T00:00:00Z'
const SLICE = 20_000
/** Single subjects of each kind; the middle counts. */
const EACH = 7
/** The bound for the logical erasure at a million events. */
const LOCAL_MS = 1000

const [name = 'sqlite', lines = '100000', requests = '1000'] = process.argv.slice(2)
const scratch = mkdtempSync(join(tmpdir(), 'defacto-bench-privacy-'))
try {
  process.stdout.write(JSON.stringify(await measure(name as StoreName, Number(lines), Number(requests))))
} finally {
  rmSync(scratch, { recursive: true, force: true })
}

async function measure(store: StoreName, lines: number, many: number): Promise<PrivacyResult> {
  await using place = await openStore(store, scratch)
  const archive = join(scratch, 'archive')
  const common = {
    ...place.place('space'),
    logLevel: 'ERROR',
    clock: () => new Date(CLOCK),
    activate: 'always',
  } as const
  const results: Measured[] = []
  const single = (work: string, costs: readonly Cost[], atMostMs: number | null): void => {
    const ours = [...costs].sort((a, b) => a.ms - b.ms)[Math.floor(costs.length / 2)] as Cost
    const target = atMostMs === null ? null : { atMostMs }
    results.push({ work, unit: 'calls', count: 1, ours, limit: null, limitName: '', target })
  }

  let subjects: string[]
  let counted: { events: number; entities: number }
  {
    await using space = await Defacto.fromDirectory(DEFINITIONS, common)
    const records = join(scratch, 'records')
    generateRecords(records, lines, 1)
    for await (const slice of slices(records, SLICE)) {
      for (const { source, lines: some } of slice) {
        await space.ingest(source, asRecords(some), { throwIfAllFail: false })
      }
    }
    rmSync(records)
    await space.build()
    const stats = await space.stats()
    counted = { events: stats.events, entities: Object.values(stats.entities).reduce((sum, one) => sum + one, 0) }
    const rows = await space.table('customer').select('customer_id').orderBy('customer_id').rows()
    subjects = rows.map((row) => String(row['customer_id']))
    const next = (): string => subjects.pop() as string
    single('erase one, hot', await each(() => space.erase(next()), place.clock), LOCAL_MS)
    single('redact one, hot', await each(() => space.redact(next()), place.clock), LOCAL_MS)
  }

  await using space = await Defacto.fromDirectory(DEFINITIONS, { ...common, coldLedger: archive })
  await space.ledger.tiers.flush()
  await space.ledger.tiers.prune({ before: Math.floor(counted.events * 0.9) })
  const { files, bytes } = await space.ledger.tiers.status()
  const next = (): string => subjects.pop() as string
  single('erase one, archived', await each(() => space.erase(next()), place.clock), null)
  single('redact one, archived', await each(() => space.redact(next()), place.clock), null)

  const ids: string[] = []
  // Spread over the whole archive.
  const step = Math.max(1, Math.floor(subjects.length / many))
  for (let i = 0; i < subjects.length && ids.length < many; i += step) {
    const { request } = await space.erasure.request({ entityId: subjects[i] as string, kind: 'erase' })
    ids.push(request.requestId)
  }
  const before = { files: dataFiles(archive), version: version(archive) }
  const watch = new Stopwatch(place.clock)
  const reached = await watch.run(() => space.erasure.run(ids))
  const open = reached.filter(({ done }) => !done)
  if (open.length > 0) throw new Error(`${open.length} requests are not closed: ${JSON.stringify(open[0])}`)
  results.push({
    work: 'erase queue',
    unit: 'requests',
    count: ids.length,
    ours: watch.cost,
    limit: null,
    limitName: '',
    target: null,
  })
  const kept = new Set(before.files)
  const fresh = dataFiles(archive).filter((file) => !kept.has(file)).length
  return {
    store,
    ...counted,
    coldFiles: files,
    coldBytes: bytes,
    results,
    batch: { requests: ids.length, files: fresh, commits: version(archive) - before.version },
    peakRss: process.resourceUsage().maxRSS * 1024,
  }
}

async function each(work: () => Promise<unknown>, clock: () => number): Promise<Cost[]> {
  const costs: Cost[] = []
  for (let i = 0; i < EACH; i++) {
    const watch = new Stopwatch(clock)
    await watch.run(work)
    costs.push(watch.cost)
  }
  return costs
}

function dataFiles(archive: string): string[] {
  return readdirSync(archive, { recursive: true, encoding: 'utf8' }).filter(
    (path) => path.endsWith('.parquet') && !path.includes('_delta_log'),
  )
}

/** Number of the last commit. */
function version(archive: string): number {
  const commits = readdirSync(join(archive, '_delta_log')).filter((path) => /^\d{20}\.json$/.test(path))
  return Math.max(-1, ...commits.map((path) => Number(path.slice(0, 20))))
}
