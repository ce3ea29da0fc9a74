/**
 * The engine as runs use it (spec 10 §4): `Operations` over an open space. Every unit of a call is one of the run's
 * attempt: it is fenced by it, and stores its progress with its effects.
 */
import type { DefinitionsObject } from './core/definition/model.ts'
import { instantFromText } from './core/instant.ts'
import type { Editions } from './editions.ts'
import { build, nextMode } from './engine/build.ts'
import { flushCold } from './engine/cold/flush.ts'
import { coldGaps } from './engine/cold/gaps.ts'
import { coldStatus, compactCold, vacuumCold, verifyCold } from './engine/cold/maintain.ts'
import { pruneCold, retentionBound } from './engine/cold/prune.ts'
import type { Edition, Engine } from './engine/engine.ts'
import { failpoint, unitRows } from './engine/failpoint.ts'
import { appendBatch, countFailed, normalized, sourceOf } from './engine/ingest.ts'
import type { CompliancePolicy, PrivacyContext } from './engine/privacy/context.ts'
import { appendGuards } from './engine/privacy/guards.ts'
import { replayedSnapshots } from './engine/replay-check.ts'
import { tick } from './engine/run-tick.ts'
import { buildStateOf } from './engine/versions.ts'
import { privacyOperations } from './orchestration-privacy.ts'
import type { ChunkCounts, IngestChunk, Operations, RunCall } from './ports/operations.ts'
import type { Counters } from './ports/runs.ts'
import type { Unit } from './ports/store.ts'
import type { Queries } from './queries.ts'
import { exportAs } from './query/export/export-as.ts'
import { createQueryRoot } from './query/root.ts'
import type { BuildResult, BuildStatus, Snapshot } from './results.ts'

/** Of an open space, what the host cannot make itself. */
export interface HostParts {
  readonly engine: Engine
  readonly editions: Editions
  working(): Edition
  /** After a build: readers see it, and change over to its version if that is wanted. */
  settle(edition: Edition): Promise<void>
  status(version?: string): Promise<BuildStatus>
  queries(edition: Edition): Queries
  /** What erasures and redactions work with; made when it is asked for. */
  privacy(): Promise<PrivacyContext>
  readonly compliance: CompliancePolicy
  close(): Promise<void>
}

export function operationsOf(parts: HostParts): Operations {
  const { engine, editions } = parts
  const { store } = engine
  const { log } = store
  const edition = async (version?: string): Promise<Edition> =>
    version === undefined ? parts.working() : editions.find(version)

  /** The engine, its units those of the call's attempt. */
  const within = ({ fence, onChunk, around }: RunCall, added?: () => Counters): Engine => {
    let done = 0
    return engine.forRun({
      runId: fence.runId,
      attempt: fence.epoch,
      ...(around === undefined ? {} : { around }),
      async committing(unit, progress) {
        await log.runs.advance(unit, fence, { at: unit.now.toString(), progress, add: added?.() })
      },
      committed() {
        done += 1
        onChunk?.({ phase: 'chunk', done, total: 0 })
      },
    })
  }
  const coldCall = ({ signal }: RunCall) => ({ signal })

  return {
    spaceId: store.spaceId,
    namespace: store.namespace,
    dialect: store.dialect,
    location: store.location,
    space: `${store.namespace}-${store.spaceId.slice(0, 8)}`,
    tiered: store.archive !== null,
    sliceRows: unitRows(1_000_000),
    shard: store.shard === null ? null : { id: store.shard.id, total: store.shard.total },
    log,
    logger: engine.logger,
    reader: store.reader,
    get version() {
      return parts.working().version
    },
    async definitions(version) {
      const { version: name, program } = await edition(version)
      const definitions: DefinitionsObject = program.definitions
      return { version: name, definitionHash: program.hashes.definitionHash, definitions }
    },
    now: () => engine.now(),

    ingestChunk,
    unit: (call, work) => within(call).unit('', work),

    async nextBuild(options) {
      const target = await edition(options.version)
      const decision = await nextMode(engine, target, options)
      const { cursor } = await buildStateOf(engine, target)
      return { ...decision, pendingEvents: await store.ledger.countAfter(cursor) }
    },
    async build(call, { version, counters, ...options }): Promise<BuildResult> {
      const target = await edition(version)
      async function finishing(unit: Unit, result: BuildResult): Promise<void> {
        await log.runs.advance(unit, call.fence, { at: unit.now.toString(), add: counters?.(result) })
      }
      const result = await build(within(call), target, { ...options, finishing, signal: call.signal })
      await parts.settle(target)
      return result
    },
    async buildStatus(version) {
      const target = await edition(version)
      const { watermark, tickHorizon } = await buildStateOf(engine, target)
      return { ...(await parts.status(version)), watermark, tickHorizon }
    },
    async tick(call, { version, asOf }) {
      const target = await edition(version)
      const result = await tick(within(call), target, asOf ?? engine.now(), call.signal)
      await parts.settle(target)
      return result
    },

    async flush(call, { upTo }) {
      return (await flushCold(within(call), { ...coldCall(call), upTo })).rows
    },
    async prune(call, { before, retention, asOf }) {
      const host = within(call)
      const kept = retention === undefined ? Number.MAX_SAFE_INTEGER : await retentionBound(host, retention, asOf)
      return (await pruneCold(host, { ...coldCall(call), before: Math.min(kept, before ?? kept) })).rows
    },
    async exportTables(call, { version, to, format, types, relationships, history }) {
      const tables = parts.queries(await edition(version)).tables({ types, relationships })
      const { signal, onChunk } = call
      const written = await exportAs(history ? tables.history() : tables, format, to, {
        ...(signal && { signal }),
        onProgress: ({ rows }) => onChunk?.({ phase: 'rows', done: rows, total: 0 }),
      })
      return { tables: tables.size, rows: written.reduce((sum, { rows }) => sum + rows, 0) }
    },
    compact: (call) => compactCold(within(call), coldCall(call)),
    vacuum: (call) => vacuumCold(within(call), coldCall(call)),
    verify: (call) => verifyCold(within(call), coldCall(call)),
    async coldStatus() {
      if (store.archive === null) return null
      const { head, flushed, pruned, hotRows, coldRows, files, bytes } = await coldStatus(engine)
      return { head, flushed, pruned, hotRows, coldRows, coldFiles: files, coldBytes: bytes }
    },

    head: () => store.ledger.head(),
    newestEvent: (source) => store.ledger.newestOf(source),
    async oldestPending(version) {
      const { cursor } = await buildStateOf(engine, await edition(version))
      return store.ledger.oldestAfter(cursor)
    },
    async oldestUnflushed() {
      if (store.archive === null) return null
      return store.ledger.oldestAfter((await store.tiers.state())?.flushed ?? 0)
    },
    async replayDiffers(entityIds) {
      const target = parts.working()
      const differing: string[] = []
      for (const id of entityIds) if (await differs(engine, target, id)) differing.push(id)
      return differing
    },
    coldGaps: async (signal) => (store.archive === null ? null : coldGaps(engine, signal)),
    async locks() {
      return (await store.locks.list()).map(({ slot, epoch }) => ({ slot, epoch }))
    },
    privacy: privacyOperations({
      engine,
      policy: () => parts.compliance,
      context: () => parts.privacy(),
      queries: () => parts.queries(parts.working()),
      within,
    }),
    close: () => parts.close(),
  }

  /** Rows, dead letters, mark and counters of one chunk, in one transaction. */
  async function ingestChunk(
    call: RunCall,
    chunk: IngestChunk,
    commit: (unit: Unit, counts: ChunkCounts) => Promise<void>,
  ): Promise<ChunkCounts> {
    let made: ChunkCounts = { read: chunk.records.length, ingested: 0, duplicates: 0, failed: 0 }
    const host = within(call, () => ({
      events_read: made.read,
      events_ingested: made.ingested,
      duplicates: made.duplicates,
      events_failed: made.failed,
    }))
    const target = await edition(chunk.version)
    const batch = normalized(host, target, sourceOf(target, chunk.source), chunk.records)
    const guards = await appendGuards(host, target)
    await host.unit(target.version, async (unit) => {
      const results = await appendBatch(host, target, unit, batch, guards, { yet: false })
      const ingested = results.filter((result) => result.inserted).length
      const duplicates = results.length - ingested
      made = { ...made, ingested, duplicates, failed: countFailed(batch.failures) }
      if (chunk.deadLetters === 'table') await log.letters.add(unit, call.fence.runId, batch.failures)
      await commit(unit, made)
    })
    failpoint('ingest.committed')
    if (chunk.deadLetters === 'sink') await host.report(batch.failures)
    return made
  }
}

async function differs(engine: Engine, edition: Edition, entityId: string): Promise<boolean> {
  const replayed = await replayedSnapshots(engine, edition, entityId)
  if (replayed === undefined) return false
  const { entityType, snapshots } = replayed
  const definition = edition.program.definitions.entities[entityType]
  if (definition === undefined) return false
  const root = createQueryRoot(engine.store.reader, edition.program, edition.version)
  const columns = Object.keys(definition.properties ?? {})
  const rows = await root
    .history(entityType)
    .filter({ [`${entityType}_id`]: entityId })
    .rows()
  const stored = rows.map((row) => line(columns, { ...row, state: row[`${entityType}_state`] })).sort()
  const wanted = snapshots.map((snapshot, i) => line(columns, rowOf(snapshot, snapshots[i + 1]))).sort()
  return stored.length !== wanted.length || stored.some((text, i) => text !== wanted[i])
}

function rowOf(snapshot: Snapshot, next: Snapshot | undefined): Record<string, unknown> {
  return {
    ...snapshot.properties,
    state: snapshot.state,
    valid_from: snapshot.validFrom,
    valid_to: next?.validFrom ?? null,
  }
}

/** What a row says, as text that does not depend on how its values are held. */
function line(columns: readonly string[], row: Readonly<Record<string, unknown>>): string {
  const values = [...columns, 'state', 'valid_from', 'valid_to'].map((name) => plainText(row[name]))
  return JSON.stringify(values)
}

function plainText(value: unknown): unknown {
  if (value === undefined || value === null) return null
  if (typeof value === 'bigint') return Number(value)
  const text = value instanceof Date ? value.toISOString() : value
  return typeof text === 'string' ? (instantFromText(text)?.toString() ?? text) : text
}
