/** Small events, rows and layouts for the contract suites. */
import type { NormalizedEvent } from '../../core/event.ts'
import type { EdgeRow, EntityWrite, HistoryLayout, HistoryRow } from '../../core/history.ts'
import { type Instant, instantFromText } from '../../core/instant.ts'
import type { Value } from '../../core/value.ts'
import type { Store, Unit } from '../../ports/store.ts'

export function at(text: string): Instant {
  const instant = instantFromText(text)
  if (instant === null) throw new Error(`not an instant: ${text}`)
  return instant
}

/** Day `n` of January 2024, midnight UTC. */
export function day(n: number): Instant {
  return at(`2024-01-${String(n).padStart(2, '0')}T00:00:00Z`)
}

export function event(eventId: string, options: Partial<NormalizedEvent> = {}): NormalizedEvent {
  return {
    eventId,
    eventType: 'joined',
    timestamp: day(1),
    source: 'kiosk',
    data: {},
    hints: {},
    dataJson: '{}',
    kindsJson: null,
    hintsJson: '{}',
    rawJson: `{"id":"${eventId}"}`,
    ...options,
  }
}

/** Two entity types with every property type, and a relationship with both of its names. */
export const LAYOUT: HistoryLayout = {
  entities: [
    {
      type: 'member',
      columns: [
        { name: 'email', type: 'string' },
        { name: 'fee', type: 'number' },
        { name: 'loans', type: 'integer' },
        { name: 'active', type: 'boolean' },
        { name: 'joined', type: 'datetime' },
        // Names that need quoting.
        { name: 'order', type: 'string' },
      ],
    },
    { type: 'loan', columns: [{ name: 'tool', type: 'string' }] },
  ],
  relationships: [
    { type: 'took_out', inverses: ['taken_by'], columns: [{ name: 'deposit', type: 'number' }] },
    { type: 'taken_by', inverses: ['took_out'], columns: [{ name: 'deposit', type: 'number' }] },
    { type: 'knows', inverses: ['knows'], columns: [] },
  ],
}

export function row(validFrom: Instant, options: Partial<HistoryRow> = {}): HistoryRow {
  return {
    state: 'active',
    properties: {},
    validFrom,
    validTo: null,
    lastEventTime: validFrom,
    stateEnteredTime: validFrom,
    createdTime: day(1),
    sequence: 1,
    ...options,
  }
}

export function edge(type: string, targetId: string, validFrom: Instant, validTo: Instant | null = null): EdgeRow {
  return { type, targetId, properties: {}, validFrom, validTo }
}

export function write(type: string, id: string, options: Partial<EntityWrite> = {}): EntityWrite {
  return {
    id,
    type,
    generation: 0,
    revision: options.rows?.length ?? 1,
    replace: false,
    rows: [],
    touch: null,
    closedEdges: [],
    edges: [],
    ...options,
  }
}

/** Registers and activates the version and makes its tables. */
export async function prepareVersion(store: Store, unit: Unit, layout: HistoryLayout = LAYOUT): Promise<void> {
  await store.versions.insert(unit, versionRow(unit.version))
  if ((await store.versions.active()) === undefined) await store.versions.activate(unit)
  await store.history.ensure(unit, layout)
}

export function versionRow(version: string) {
  return {
    version,
    definitions: '{}',
    definitionHash: 'd'.repeat(8),
    sourceHash: 's'.repeat(8),
    identityHash: 'i'.repeat(8),
    createdAt: day(1).toString(),
  }
}

/** Rows of a readable relation as objects of the named columns, ordered by them. */
export async function rowsOf(
  store: Store,
  kind: 'history' | 'relationship',
  name: string,
  columns: readonly string[],
  version = 'v1',
): Promise<Record<string, Value>[]> {
  await store.reader.refresh()
  return select(store, store.reader.relation(version, kind, name), columns)
}

export async function select(
  store: Store,
  relation: string,
  columns: readonly string[],
): Promise<Record<string, Value>[]> {
  const list = columns.map((column) => `"${column}"`).join(', ')
  const { rows } = await store.reader.all(`select ${list} from ${relation} order by ${list}`, [])
  return rows.map((values) => Object.fromEntries(columns.map((column, i) => [column, values[i] as Value])))
}
