/**
 * What a run reports, as messages of a Pipes session: one outer task per run, with steps, entity types and checks inside
 * it as metadata (spec 10 §9). An asset is reported as itself where the orchestrator's step has a key that ends in its
 * name, else inside the step's only asset. A key the step does not have would fail it.
 */
import type { Json, RunEvent, RunPort } from '../ports/runs.ts'
import { declaredChecks } from './extras.ts'
import type { LogLevel, MetadataValue } from './protocol.ts'
import type { MetadataInput, Pipes } from './session.ts'

/** `data` of a `materialization` event. */
export interface MaterializationData {
  readonly asset: string
  /** `<first 8 of definition_hash>:<cursor>`. */
  readonly dataVersion: string
  readonly metadata: {
    readonly rows_added?: number
    readonly rows_changed?: number
    readonly cursor_from?: number | null
    readonly cursor_to?: number | null
    readonly failures?: number
    readonly mode?: string | null
    readonly definition_hash?: string
    readonly version?: string
    readonly duration_s?: number
    readonly link?: string
  }
}
/** `data` of a `check` event. */
export interface CheckData {
  readonly check: string
  readonly asset: string
  readonly passed: boolean
  readonly severity: 'warn' | 'error'
  readonly value: number | null
}

export interface Emitter {
  take(event: RunEvent): void
  /** All events were taken; what was collected goes to the session, which tells it when it closes. */
  done(): void
}

const LEVELS: Readonly<Record<RunEvent['level'], LogLevel>> = {
  debug: 'DEBUG',
  info: 'INFO',
  warn: 'WARNING',
  error: 'ERROR',
}

export function emitterOf(pipes: Pipes): Emitter {
  const keys = pipes.context?.assetKeys ?? []
  const sole = keys.length === 1 ? (keys[0] ?? null) : null
  const keyOf = (asset: string): string | null =>
    keys.find((key) => key === asset) ?? keys.find((key) => key.endsWith(`/${asset}`)) ?? null
  const declared = declaredChecks(pipes.context)
  const seen = new Set<string>()
  const assets = new Map<string, MaterializationData>()
  const wholes = new Set<string>()
  const checks = new Map<string, CheckData>()

  const check = (data: CheckData): void => {
    checks.set(data.check, data)
    const key = keyOf(data.asset) ?? sole
    const { severity, passed, value } = data
    if (key !== null && declared(data.check)) {
      pipes.checked({
        asset: key,
        check: data.check.replaceAll('-', '_'),
        passed,
        severity: severity === 'warn' ? 'WARN' : 'ERROR',
        metadata: { asset: data.asset, ...(value === null ? {} : { value }) },
      })
    } else if (!passed) {
      pipes.log(`check ${data.check} of ${data.asset} failed`, severity === 'warn' ? 'WARNING' : 'ERROR')
    }
  }

  return {
    take(event): void {
      const id = `${event.runId}/${event.seq}`
      if (seen.has(id)) return
      seen.add(id)
      if (event.kind === 'materialization') {
        const data = event.data as unknown as MaterializationData
        const before = assets.get(data.asset)
        // Whoever is no step of another run speaks for all of its steps.
        if (event.step === null) wholes.add(data.asset)
        else if (wholes.has(data.asset)) return
        assets.set(data.asset, event.step === null ? data : merged(before, data))
      } else if (event.kind === 'check') {
        check(event.data as unknown as CheckData)
      } else if (event.kind !== 'progress') {
        pipes.log(event.step === null ? event.message : `${event.step}: ${event.message}`, LEVELS[event.level])
      }
    },
    done(): void {
      const inside: MaterializationData[] = []
      for (const data of assets.values()) {
        const key = keyOf(data.asset)
        if (key === null) inside.push(data)
        else pipes.materialized(key, { dataVersion: data.dataVersion, metadata: fieldsOf(data) })
      }
      if (sole !== null) {
        const total = totalOf(inside)
        // An asset that has the key itself has said what its own fields are.
        if (total !== undefined && inside.length === assets.size) {
          pipes.materialized(sole, { dataVersion: total.dataVersion, metadata: fieldsOf(total) })
        }
        if (inside.length > 0 || checks.size > 0) {
          pipes.materialized(sole, { metadata: { ...insideOf(inside), ...checksOf([...checks.values()]) } })
        }
      } else {
        for (const { asset, dataVersion, metadata } of inside) {
          pipes.custom({ asset, data_version: dataVersion, ...metadata } as unknown as Json)
        }
      }
    },
  }
}

/** Of all assets together. Assets that one step made carry its counters each; a source's are those of the ledger too. */
function totalOf(assets: readonly MaterializationData[]): MaterializationData | undefined {
  const distinct = new Map<string, MaterializationData>()
  const withoutSources = assets.filter(({ asset }) => !asset.startsWith('source/'))
  for (const data of withoutSources.length > 0 ? withoutSources : assets) {
    distinct.set(JSON.stringify(data.metadata), data)
  }
  return [...distinct.values()].reduce<MaterializationData | undefined>(merged, undefined)
}

/** Two reports of one asset, or of two assets of one step: counters add up, the range covers both. */
function merged(a: MaterializationData | undefined, b: MaterializationData): MaterializationData {
  if (a === undefined) return b
  const [x, y] = [a.metadata, b.metadata]
  const later = (x.cursor_to ?? -1) > (y.cursor_to ?? -1) ? a : b
  return {
    asset: b.asset,
    dataVersion: later.dataVersion,
    metadata: {
      ...x,
      ...y,
      ...defined('rows_added', plus(x.rows_added, y.rows_added)),
      ...defined('rows_changed', plus(x.rows_changed, y.rows_changed)),
      ...defined('cursor_from', least(x.cursor_from, y.cursor_from)),
      ...defined('cursor_to', later.metadata.cursor_to),
      ...defined('failures', plus(x.failures, y.failures)),
      ...defined('mode', y.mode ?? x.mode),
      ...defined('duration_s', plus(x.duration_s, y.duration_s)),
    },
  }
}

const plus = (a?: number, b?: number): number | undefined =>
  a === undefined && b === undefined ? undefined : (a ?? 0) + (b ?? 0)
const least = (a?: number | null, b?: number | null): number | undefined =>
  a == null ? (b ?? undefined) : b == null ? a : Math.min(a, b)
const defined = <T>(name: string, value: T | undefined): Record<string, T> =>
  value === undefined ? {} : { [name]: value }

/** Counters are whole numbers, seconds are not even where they look like it. */
function fieldsOf({ metadata }: MaterializationData): MetadataInput {
  const { duration_s: seconds, link, ...rest } = metadata
  const fields: Record<string, number | string | MetadataValue> = {}
  for (const [name, value] of Object.entries(rest)) if (value !== undefined && value !== null) fields[name] = value
  if (seconds !== undefined) fields['duration_s'] = { type: 'float', raw_value: seconds }
  if (link !== undefined) fields['link'] = { type: 'url', raw_value: link }
  return fields
}

function insideOf(assets: readonly MaterializationData[]): MetadataInput {
  return Object.fromEntries(
    assets.map(({ asset, dataVersion, metadata }) => [
      asset,
      {
        type: 'json',
        raw_value: { data_version: dataVersion, ...metadata } as unknown as Json,
      } satisfies MetadataValue,
    ]),
  )
}

function checksOf(checks: readonly CheckData[]): MetadataInput {
  if (checks.length === 0) return {}
  const value = Object.fromEntries(checks.map(({ check, ...rest }) => [check, { ...rest }]))
  return { checks: { type: 'json', raw_value: value } }
}

/** Events of a run and of the runs of its steps, in the order of the steps. */
export async function* eventsOf(
  log: Pick<RunPort, 'children' | 'events'>,
  runId: string,
  page = 500,
): AsyncGenerator<RunEvent> {
  for (const child of await log.children(runId)) yield* eventsOf(log, child.runId, page)
  for (let after = -1; ; ) {
    const events = await log.events(runId, { after, limit: page })
    yield* events
    const last = events.at(-1)
    if (last === undefined || events.length < page) return
    after = last.seq
  }
}
