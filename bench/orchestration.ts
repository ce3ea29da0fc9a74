/**
 * What orchestration adds: builds called directly and as runs on a real server, runs that have nothing to do, a worker
 * that is killed, many spaces on one worker, and memory of an ingest run. Prints one JSON document.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { findTemporalServer } from '../infra/starters/temporal.ts'
import { benchClient } from './orchestration-client.ts'
import type {
  BuildPair,
  EmptyRuns,
  IngestMemory,
  ManySpaces,
  OrchestrationResult,
  Recovery,
} from './orchestration-result.ts'
import { openBenchSpace, type SpacePlace } from './orchestration-space.ts'
import type { Job, Report, Work } from './orchestration-work.ts'
import { generateRecords, slices } from './records.ts'
import { removeDatabase } from './store-sqlite.ts'

const PAIRS = 3
const KILLS = 3
const HEARTBEAT_MS = 5_000
/** Records of the spaces whose runs find nothing to do. */
const SMALL = 2_000
const SPACES = 50
/** How much more records the second ingest run reads. */
const GROWTH = 5
const HEAP_MIB = 256
const PATIENCE_MS = 120_000

async function orchestration(lines: number, parts: readonly string[], scratch: string): Promise<OrchestrationResult> {
  const server = await findTemporalServer()
  try {
    const temporal = { address: server.address, namespace: server.namespace }
    const place = placeOf(scratch, 'built')
    const job: Job = { place, temporal, server: server.database ?? '', records: join(scratch, 'records') }
    const wants = (part: string): boolean => parts.includes(part)
    let events = 0
    if (wants('builds') || wants('recovery')) {
      generateRecords(job.records, lines, 1)
      events = measured('ingest', job)
    }
    return {
      server: server.name,
      events,
      builds: wants('builds') ? builds(job) : [],
      empty: wants('empty') ? await empty(job, scratch) : null,
      recovery: wants('recovery') ? await recoveries(job) : [],
      many: wants('many') ? many(temporal, scratch) : null,
      memory: wants('memory') ? await memory(job, lines, scratch) : [],
    }
  } finally {
    await server.stop()
  }
}

/** Copies of one ledger, built one way and the other in turn. */
function builds(job: Job): BuildPair[] {
  return Array.from({ length: PAIRS }, (_, i) => {
    const work = (name: 'direct' | 'run') => measured(name, { ...job, place: copied(job.place, name) })
    const [first, second] = i % 2 === 0 ? (['direct', 'run'] as const) : (['run', 'direct'] as const)
    const costs = { [first]: work(first), [second]: work(second) } as Record<'direct' | 'run', BuildPair['run']>
    return { ...costs, load: loadavg()[0] ?? 0 }
  })
}

async function empty(job: Job, scratch: string): Promise<EmptyRuns> {
  const place = { ...placeOf(scratch, 'empty'), archive: join(scratch, 'archive') }
  const records = join(scratch, 'few')
  generateRecords(records, SMALL, 3)
  await writeApp(records, join(place.folder, 'in', 'app.ndjson'))
  return measured('empty', { ...job, place })
}

async function recoveries(job: Job): Promise<Recovery[]> {
  const undisturbed = (await play(job, false)).chunks
  const found: Recovery[] = []
  for (let i = 0; i < KILLS; i++) {
    const { ms, chunks } = await play(job, true)
    found.push({ heartbeatMs: HEARTBEAT_MS, ms, chunks, undisturbed, load: loadavg()[0] ?? 0 })
  }
  return found
}

/** A build by two workers, of which the first is killed in the middle. */
async function play(job: Job, kill: boolean): Promise<{ ms: number; chunks: number }> {
  const place = copied(job.place, 'killed')
  const own: Job = { ...job, place, heartbeatMs: HEARTBEAT_MS }
  const space = await openBenchSpace(place)
  const client = await benchClient(space, job.temporal)
  const first = await workerProcess(own)
  const workers = [first]
  try {
    const run = await client.submit({ op: 'build' })
    let killed = 0
    if (kill) {
      await until(() => first.chunks.length >= 2)
      const second = await workerProcess(own)
      workers.push(second)
      killed = Date.now()
      first.process.kill('SIGKILL')
    }
    await client.ended(run)
    // What the last chunk says may still be on its way.
    await delay(200)
    const ended = await space.context.operations.log.runs.get(run.runId)
    if (ended?.status !== 'succeeded') throw new Error(`the build is ${ended?.status} (${ended?.errorCode})`)
    const chunks = workers.reduce((sum, worker) => sum + worker.chunks.length, 0)
    const recovered = workers[1]?.chunks[0]
    if (kill && recovered === undefined)
      throw new Error('the build was over before the worker was killed; take more events')
    return { ms: (recovered ?? 0) - killed, chunks }
  } finally {
    for (const { process: child } of workers) child.kill('SIGKILL')
    await client.close()
    await space.defacto.close()
  }
}

interface KilledWorker {
  readonly process: ChildProcess
  /** When each was committed. */
  readonly chunks: number[]
}

async function workerProcess(job: Job): Promise<KilledWorker> {
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, 'orchestration-work.ts'), 'worker', JSON.stringify(job)],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  const chunks: number[] = []
  let said = ''
  let ready = false
  child.stdout.on('data', (data: Buffer) => {
    said += data
    const lines = said.split('\n')
    said = lines.pop() ?? ''
    for (const line of lines) {
      ready ||= line === 'ready'
      if (line.startsWith('chunk ')) chunks.push(Number(line.slice(6)))
    }
  })
  await until(() => ready)
  return { process: child, chunks }
}

function many(temporal: Job['temporal'], scratch: string): ManySpaces {
  return program('orchestration-many.ts', [String(SPACES), join(scratch, 'many'), JSON.stringify(temporal)])
}

async function memory(job: Job, lines: number, scratch: string): Promise<IngestMemory[]> {
  const found: IngestMemory[] = []
  for (const size of [lines, lines * GROWTH]) {
    const place = placeOf(scratch, `ingest${size}`)
    const records = join(scratch, 'more')
    generateRecords(records, size, 2)
    await writeApp(records, join(place.folder, 'in', 'app.ndjson'))
    rmSync(records)
    found.push(measured('memory', { ...job, place }, [`--max-old-space-size=${HEAP_MIB}`]))
    rmSync(place.folder, { recursive: true })
    removeDatabase(place.database)
  }
  return found
}

/** The lines of one source, as a file that an input reads. */
async function writeApp(records: string, path: string): Promise<void> {
  mkdirSync(dirname(path), { recursive: true })
  const file = await open(path, 'w')
  for await (const slice of slices(records, 20_000)) {
    const lines = slice.find(({ source }) => source === 'app')?.lines ?? []
    if (lines.length > 0) await file.write(`${lines.join('\n')}\n`)
  }
  await file.close()
}

function placeOf(scratch: string, name: string): SpacePlace {
  const folder = join(scratch, name)
  mkdirSync(folder, { recursive: true })
  return { database: join(folder, 'space.db'), folder }
}

/** A space is known by its database's id: a copy is the same space, so one of them at a time. */
function copied(place: SpacePlace, name: string): SpacePlace {
  const database = join(place.folder, `${name}.db`)
  removeDatabase(database)
  copyFileSync(place.database, database)
  return { ...place, database }
}

function measured<W extends Work>(work: W, job: Job, flags: readonly string[] = []): Report<W> {
  return program('orchestration-work.ts', [work, JSON.stringify(job)], flags)
}

function program<T>(name: string, args: readonly string[], flags: readonly string[] = []): T {
  const command = [...process.execArgv, ...flags, join(import.meta.dirname, name), ...args]
  const output = execFileSync(process.execPath, command, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
  return JSON.parse(output) as T
}

async function until(look: () => boolean): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS
  while (!look()) {
    if (performance.now() > deadline) throw new Error('waited in vain for a worker')
    await delay(5)
  }
}

const [lines = '', parts = ''] = process.argv.slice(2)
const scratch = mkdtempSync(join(tmpdir(), 'defacto-bench-orchestration-'))
try {
  process.stdout.write(JSON.stringify(await orchestration(Number(lines), parts.split(','), scratch)))
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
