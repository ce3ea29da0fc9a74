/** The ledger port over a database in memory. It gives the rows that are there, as every hot store does. */
import { compareText } from '../../src/core/expression/code-points.ts'
import type { ArchiveRow } from '../../src/ports/archive.ts'
import type { FullLedgerRow, LedgerPort, LedgerRow, MappedRow, Unit } from '../../src/ports/store.ts'
import type { Connection } from './hot-connection.ts'
import {
  append,
  canonicalOf,
  empty,
  endRenormalize,
  fullRow,
  type HotState,
  isCounted,
  isReplayable,
  renormalize,
  treat,
} from './hot-state.ts'

export function hotLedger(connection: Connection): LedgerPort {
  const run = <T>(unit: Unit | null, label: string, work: (state: HotState) => T): Promise<T> =>
    connection.run(unit, label, work)
  return {
    append: async (unit, events, guards) => {
      const { suppressing, treating } = await run(unit, 'guards', (state) => state)
      const given = guards !== undefined && treating ? await guards.treated(unit, events) : events
      const digestOf = suppressing ? guards?.digestOf : undefined
      return run(unit, 'append', (state) => append(state, given, digestOf))
    },
    guard: (unit, { suppressing = false, treating = false }) =>
      run(unit, 'guard', (state) => {
        state.suppressing ||= suppressing
        state.treating ||= treating
      }),
    head: () => run(null, 'head', ({ head }) => head),
    holdAppends: async () => {},
    scan: ({ unit, after, to, all, chunk, source, raw }) =>
      connection.pages({
        unit,
        label: 'scan',
        chunk,
        compare: bySequence,
        read: (state): FullLedgerRow[] =>
          rowsIn(state, after, to)
            .filter((row) => (all === true ? row.eventType !== null : isReplayable(row)))
            .filter((row) => source === undefined || row.source === source)
            .map((row) => (raw === false ? { ...fullRow(row), raw: '' } : fullRow(row))),
      }),
    replay: ({ from, to = Number.MAX_SAFE_INTEGER, includeDuplicates, chunk }) =>
      connection.pages({
        label: 'replay',
        chunk,
        compare: byTime,
        read: (state) =>
          rowsIn(state, from - 1, to)
            .filter((row) =>
              includeDuplicates === true ? row.eventType !== null && row.excluded !== true : isReplayable(row),
            )
            .map(ledgerRow),
      }),
    mappedRange: (unit, { after, to }) => run(unit, 'mappedRange', (state) => mapped(state, after, to)),
    mappedFor: (unit, ids, to) =>
      run(unit, 'mappedFor', (state) => mapped(state, 0, to).filter(({ entityId }) => ids.includes(entityId))),
    mappedByEntity: ({ afterEntity, after = 0, to, chunk }) =>
      connection.pages({
        label: 'mappedByEntity',
        chunk,
        compare: byEntity,
        read: (state) =>
          mapped(state, after, to).filter(({ entityId }) => compareText(entityId, afterEntity ?? '') > 0),
      }),
    count: ({ source } = {}) =>
      run(null, 'count', ({ ids }) =>
        tally(ids.values(), (row) => row.source !== null && (source === undefined || row.source === source)),
      ),
    newestOf: (source) =>
      run(null, 'newestOf', (state) => {
        const times = rowsIn(state, 0, Number.MAX_SAFE_INTEGER).filter((row) => row.source === source)
        return times.map((row) => row.timestamp).reduce(later, null)
      }),
    oldestAfter: (sequence) =>
      run(null, 'oldestAfter', (state) => {
        const times = rowsIn(state, sequence, Number.MAX_SAFE_INTEGER).map((row) => row.timestamp)
        return times.filter((time) => time !== null).sort(compareText)[0] ?? null
      }),
    countAfter: (cursor) =>
      run(null, 'countAfter', ({ ids }) => tally(ids.values(), (row) => isCounted(row) && row.sequence > cursor)),
    countMapped: (to) => run(null, 'countMapped', (state) => countMapped(state, 0, to, true)),
    countUnmapped: (after, to) => run(null, 'countUnmapped', (state) => countMapped(state, after, to, false)),
    eventsFor: (entityId) =>
      run(null, 'eventsFor', (state) =>
        mapped(state, 0, Number.MAX_SAFE_INTEGER)
          .filter((row) => row.entityId === entityId)
          .map(({ sequence, eventId, eventType, timestamp }) => ({ sequence, eventId, eventType, timestamp })),
      ),
    event: (ref) =>
      run(null, 'event', (state) => {
        const sequence = 'sequence' in ref ? ref.sequence : canonicalOf(state, ref.eventId)
        const row = sequence === undefined ? undefined : state.rows.get(sequence)
        return row === undefined || row.eventType === null ? undefined : fullRow(row)
      }),
    raws: (sequences) =>
      run(null, 'raws', ({ rows }) => {
        const found = sequences.toSorted((a, b) => a - b).flatMap((sequence) => rows.get(sequence) ?? [])
        return new Map(found.flatMap(({ sequence, raw }) => (raw === null ? [] : [[sequence, raw]])))
      }),
    renormalize: (unit, rows) => run(unit, 'renormalize', (state) => renormalize(state, rows)),
    beginRenormalize: (unit) =>
      run(unit, 'beginRenormalize', (state) => {
        state.renormalizingFrom ??= state.head
      }),
    endRenormalize: (unit) => run(unit, 'endRenormalize', endRenormalize),
    updateHints: (unit, rows) =>
      run(unit, 'updateHints', (state) => {
        for (const { sequence, hintsJson } of rows) {
          const row = state.rows.get(sequence)
          if (row !== undefined && row.eventType !== null) state.rows.set(sequence, { ...row, hints: hintsJson })
        }
      }),
    rows: (sequences) =>
      connection.pages({
        label: 'rows',
        chunk: 1000,
        compare: bySequence,
        read: ({ rows }) => {
          const wanted = [...new Set(sequences)].sort((a, b) => a - b)
          const found = wanted.flatMap((sequence) => rows.get(sequence) ?? [])
          return found.filter((row) => row.eventType !== null).map(fullRow)
        },
      }),
    repeatsOf: (unit, sequences) =>
      run(unit, 'repeatsOf', ({ ids }) => {
        const repeats = [...ids.values()].filter(
          ({ duplicateOf }) => duplicateOf !== null && sequences.includes(duplicateOf),
        )
        return repeats.map(({ sequence }) => sequence).sort((a, b) => a - b)
      }),
    async *excluded() {
      yield await run(null, 'excluded', ({ ids }) => {
        const found = [...ids.values()].filter(({ excluded }) => excluded)
        return found.map(({ sequence }) => sequence).sort((a, b) => a - b)
      })
    },
    empty: (unit, rows) => run(unit, 'empty', (state) => empty(state, rows)),
    treat: (unit, rows) => run(unit, 'treat', (state) => treat(state, rows)),
    settle: async () => {},
  }
}

export function rowsIn(state: HotState, after: number, to: number): ArchiveRow[] {
  return [...state.rows.values()].filter(({ sequence }) => sequence > after && sequence <= to).sort(bySequence)
}

function ledgerRow(row: ArchiveRow): LedgerRow {
  const { sequence, eventId, eventType, timestamp, source, data, kinds } = fullRow(row)
  return { sequence, eventId, eventType, timestamp, source, data, kinds }
}

function mapped(state: HotState, after: number, to: number): MappedRow[] {
  return state.members
    .flatMap(({ sequence, entityId, entityType }): MappedRow[] => {
      const row = sequence > after && sequence <= to ? state.rows.get(sequence) : undefined
      return row === undefined || !isReplayable(row) ? [] : [{ ...ledgerRow(row), entityId, entityType }]
    })
    .sort(byEntity)
}

function byEntity(a: MappedRow, b: MappedRow): number {
  return compareText(a.entityId, b.entityId) || byTime(a, b)
}

export function bySequence<T extends { sequence: number }>(a: T, b: T): number {
  return a.sequence - b.sequence
}

export function byTime(a: LedgerRow, b: LedgerRow): number {
  if (a.timestamp !== b.timestamp) return a.timestamp < b.timestamp ? -1 : 1
  return a.sequence - b.sequence
}

function countMapped({ ids, members }: HotState, after: number, to: number, wanted: boolean): number {
  const owned = new Set(members.map(({ sequence }) => sequence))
  return tally(
    ids.values(),
    (row) => isCounted(row) && row.sequence > after && row.sequence <= to && owned.has(row.sequence) === wanted,
  )
}

function tally<T>(items: Iterable<T>, wanted: (item: T) => boolean): number {
  let count = 0
  for (const item of items) if (wanted(item)) count += 1
  return count
}

function later(a: string | null, b: string | null): string | null {
  return a === null || (b !== null && compareText(b, a) > 0) ? b : a
}
