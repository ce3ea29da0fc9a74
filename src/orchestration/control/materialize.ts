/** What a run made of which asset, with the asset's data version (spec 10 §1, §9). */

import type { Json, NewRunEvent, RunOp, RunRow } from '../../ports/runs.ts'
import { assetsOf, exportName } from '../assets/derive.ts'
import type { AssetKind } from '../assets/model.ts'
import { inputOf, pipelineOf } from '../pinned.ts'
import type { ControlContext } from './common.ts'

const KINDS: Partial<Record<RunOp, readonly AssetKind[]>> = {
  ingest: ['ledger'],
  build: ['identity', 'entity', 'history', 'relationship'],
  tick: ['entity', 'history', 'relationship'],
  flush: ['cold'],
  prune: ['cold'],
  export: [],
}
/** Counters of which at least one says that the run has changed something. */
const CHANGES: Partial<Record<RunOp, readonly string[]>> = {
  ingest: ['events_ingested'],
  tick: ['effects_produced', 'entities_affected'],
  flush: ['rows_flushed'],
  prune: ['rows_pruned'],
  export: ['tables_exported'],
}

/** One event per asset that a succeeded step has changed. */
export async function madeBy(context: ControlContext, run: RunRow): Promise<readonly NewRunEvent[]> {
  const kinds = KINDS[run.op]
  if (kinds === undefined || run.status !== 'succeeded' || !hasChanged(run)) return []
  const { operations } = context
  const { definitions, definitionHash } = await operations.definitions(run.version ?? undefined)
  const names = assetsOf(definitions, [])
    .filter(({ kind }) => kinds.includes(kind))
    .map(({ name }) => name)
  const source = sourceOf(run)
  if (source !== null) names.unshift(`source/${source}`)
  if (run.op === 'export' && run.pipeline !== null) names.push(exportName(run.pipeline, run.step ?? ''))
  const to = run.toSeq ?? (await operations.head())
  const metadata: Made['metadata'] = {
    ...rowsOf(run),
    cursor_from: run.fromSeq ?? run.headAtRequest ?? 0,
    cursor_to: to,
    failures: run.stats['events_failed'] ?? 0,
    mode: run.mode,
    definition_hash: definitionHash,
    version: run.version,
    duration_s:
      run.startedAt === null ? 0 : (Date.parse(run.finishedAt ?? run.startedAt) - Date.parse(run.startedAt)) / 1000,
  }
  return names.map((asset) => event(run.step, { asset, dataVersion: `${definitionHash.slice(0, 8)}:${to}`, metadata }))
}

function rowsOf({ op, stats }: RunRow): { rows_added: number; rows_changed: number } {
  const of = (name: string): number => stats[name] ?? 0
  switch (op) {
    case 'ingest':
      return { rows_added: of('events_ingested'), rows_changed: 0 }
    case 'build':
      return { rows_added: of('entities_created'), rows_changed: of('entities_updated') }
    case 'tick':
      return { rows_added: 0, rows_changed: of('entities_affected') }
    case 'flush':
      return { rows_added: of('rows_flushed'), rows_changed: 0 }
    case 'export':
      return { rows_added: of('rows_exported'), rows_changed: 0 }
    default:
      return { rows_added: 0, rows_changed: of('rows_pruned') }
  }
}

function hasChanged(run: RunRow): boolean {
  if (run.op === 'build') return run.mode !== null && run.mode !== 'SKIP'
  return CHANGES[run.op]?.some((name) => (run.stats[name] ?? 0) > 0) ?? false
}

function sourceOf(run: RunRow): string | null {
  const { input, source } = inputOf(run)
  if (run.op !== 'ingest') return null
  if (typeof source === 'string') return source
  return pipelineOf(run)?.inputs.find(({ name }) => name === input)?.source ?? null
}

/** Each asset once, with what all steps made of it. */
export async function mergedMaterializations(
  context: ControlContext,
  children: readonly RunRow[],
): Promise<readonly NewRunEvent[]> {
  const found = new Map<string, Made>()
  for (const child of children) {
    for (const { data } of await context.operations.log.runs.events(child.runId, { kinds: ['materialization'] })) {
      const made = data as unknown as Made
      const before = found.get(made.asset)
      found.set(made.asset, before === undefined ? made : merged(before, made))
    }
  }
  return [...found.values()].map((made) => event(null, made))
}

/** `data` of a `materialization` event. */
export interface Made {
  readonly asset: string
  readonly dataVersion: string
  readonly metadata: {
    readonly rows_added: number
    readonly rows_changed: number
    readonly cursor_from: number
    readonly cursor_to: number
    readonly failures: number
    readonly mode: string | null
    readonly definition_hash: string
    readonly version: string | null
    readonly duration_s: number
  }
}

function merged(a: Made, b: Made): Made {
  const [x, y] = [a.metadata, b.metadata]
  const later = y.cursor_to >= x.cursor_to ? b : a
  const metadata = {
    ...later.metadata,
    rows_added: x.rows_added + y.rows_added,
    rows_changed: x.rows_changed + y.rows_changed,
    cursor_from: Math.min(x.cursor_from, y.cursor_from),
    failures: x.failures + y.failures,
    mode: x.mode ?? y.mode,
    duration_s: x.duration_s + y.duration_s,
  }
  return { ...later, metadata }
}

function event(step: string | null, made: Made): NewRunEvent {
  const data: Json = { ...made }
  return { kind: 'materialization', level: 'info', step, message: `made ${made.asset}`, data }
}
