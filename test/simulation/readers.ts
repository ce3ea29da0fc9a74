/** Reads of the whole ledger and of parts of it, each compared with what the ledger held meanwhile. */
import { compareText } from '../../src/core/expression/code-points.ts'
import type { ArchiveRow } from '../../src/ports/archive.ts'
import type { LedgerRow, MappedRow } from '../../src/ports/store.ts'
import type { Work } from './actors.ts'
import { isReplayable } from './hot-state.ts'
import { ALL_ENTITIES, type Expected, entitiesOf, type Found } from './truth.ts'
import type { World } from './world.ts'

/** Tombstones show nowhere. */
const stored = ({ eventType }: ArchiveRow): boolean => eventType !== null

export const scan: Work = (world, { store }) => {
  const { random, truth } = world
  const after = random.chance(0.5) ? 0 : random.below(truth.head + 1)
  const to = random.chance(0.5) ? Number.MAX_SAFE_INTEGER : truth.head
  const all = random.chance(0.7)
  const options = { after, to, all, raw: true, ...(random.chance(0.5) ? { chunk: random.between(1, 7) } : {}) }
  return read(world, `scan ${after} to ${to}${all ? ', all' : ''}`, {
    rows: () => drained(store.ledger.scan(options)),
    wanted: (sequence) => sequence > after && sequence <= to,
    visible: all ? stored : isReplayable,
    compare: (a, b) => a.sequence - b.sequence,
  })
}

export const replay: Work = (world, { store }) => {
  const { random, truth } = world
  const from = random.chance(0.5) ? 1 : random.between(1, truth.head + 1)
  const to = random.chance(0.5) ? truth.head : random.below(truth.head + 1)
  return read(world, `replay ${from} to ${to}`, {
    rows: () => drained(store.ledger.replay({ from, to, chunk: random.between(1, 7) })),
    wanted: (sequence) => sequence >= from && sequence <= to,
    visible: isReplayable,
    compare: byTime,
  })
}

export const mappedByEntity: Work = (world, { store }) => {
  const { random, truth } = world
  const after = random.chance(0.5) ? 0 : random.below(truth.head + 1)
  const to = truth.head
  const afterEntity = random.chance(0.5) ? null : random.of(ALL_ENTITIES)
  return read(world, `mappedByEntity ${after} to ${to} above ${afterEntity}`, {
    rows: () => drained(store.ledger.mappedByEntity({ afterEntity, after, to, chunk: random.between(1, 7) })),
    wanted: (sequence) => sequence > after && sequence <= to,
    visible: isReplayable,
    compare: byEntity,
    perEntity: (sequence) => entitiesOf(sequence).filter((id) => afterEntity === null || id > afterEntity),
  })
}

export const mappedFor: Work = (world, { store, engine }) => {
  const { random, truth } = world
  const to = random.chance(0.5) ? truth.head : random.below(truth.head + 1)
  const ids = ALL_ENTITIES.filter(() => random.chance(0.4))
  const inUnit = random.chance(0.5)
  return read(world, `mappedFor ${ids.join(' ')} to ${to}${inUnit ? ' in a unit' : ''}`, {
    rows: () =>
      inUnit ? engine.unit('', (unit) => store.ledger.mappedFor(unit, ids, to)) : store.ledger.mappedFor(null, ids, to),
    wanted: (sequence) => sequence <= to,
    visible: isReplayable,
    compare: byEntity,
    perEntity: (sequence) => entitiesOf(sequence).filter((id) => ids.includes(id)),
  })
}

export const mappedRange: Work = (world, { store, engine }) => {
  const { random, truth } = world
  const after = random.below(truth.head + 1)
  const to = random.between(after, truth.head)
  const inUnit = random.chance(0.5)
  return read(world, `mappedRange ${after} to ${to}${inUnit ? ' in a unit' : ''}`, {
    rows: () =>
      inUnit
        ? engine.unit('', (unit) => store.ledger.mappedRange(unit, { after, to }))
        : store.ledger.mappedRange(null, { after, to }),
    wanted: (sequence) => sequence > after && sequence <= to,
    visible: isReplayable,
    compare: byEntity,
    perEntity: entitiesOf,
  })
}

export const singles: Work = async (world, { store }) => {
  const { random, truth } = world
  if (truth.head === 0) return
  const sequence = random.between(1, truth.head)
  const bySequence = random.chance(0.5)
  await read(world, `event ${sequence}`, {
    rows: async () => {
      const ref = bySequence ? { sequence } : { eventId: `event-${sequence}` }
      const row = await store.ledger.event(ref)
      return row === undefined ? [] : [row]
    },
    wanted: (one) => one === sequence,
    visible: bySequence ? stored : isReplayable,
    compare: () => 0,
  })
  const entity = random.of(ALL_ENTITIES)
  await read(world, `eventsFor ${entity}`, {
    rows: () => store.ledger.eventsFor(entity),
    wanted: (one) => entitiesOf(one).includes(entity),
    visible: isReplayable,
    compare: byTime,
  })
  const wanted = [sequence, random.between(1, truth.head)]
  await read(world, `raws ${wanted.join(' ')}`, {
    rows: async () => [...(await store.ledger.raws(wanted))].map(([one, raw]) => ({ sequence: one, raw })),
    wanted: (one) => wanted.includes(one),
    visible: stored,
    compare: () => 0,
  })
}

interface Reading<T> extends Pick<Expected, 'wanted' | 'visible' | 'perEntity'> {
  rows(): Promise<readonly T[]>
  compare(a: T, b: T): number
}

/** Reads, then compares with what there was from the beginning of the read to its end. */
async function read<T extends Found>(world: World, name: string, reading: Reading<T>): Promise<void> {
  const { scheduler, truth } = world
  const begin = scheduler.step
  const rows = await reading.rows()
  const { wanted, visible, perEntity } = reading
  const span = { begin, end: scheduler.step }
  truth.check(rows, { name, span, wanted, visible, ...(perEntity === undefined ? {} : { perEntity }) })
  for (const [index, row] of rows.entries()) {
    const last = rows[index - 1]
    if (last !== undefined && reading.compare(last, row) > 0) {
      scheduler.fail(`${name} gives ${row.sequence} after ${last.sequence}`)
    }
  }
  world.reads += 1
}

async function drained<T>(chunks: AsyncIterable<readonly T[]>): Promise<T[]> {
  const all: T[] = []
  for await (const chunk of chunks) all.push(...chunk)
  return all
}

const byTime = (a: Pick<LedgerRow, 'timestamp' | 'sequence'>, b: Pick<LedgerRow, 'timestamp' | 'sequence'>): number =>
  a.timestamp === b.timestamp ? a.sequence - b.sequence : a.timestamp < b.timestamp ? -1 : 1

const byEntity = (a: MappedRow, b: MappedRow): number => compareText(a.entityId, b.entityId) || byTime(a, b)
