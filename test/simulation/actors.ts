/** What processes do all day. Each function is one piece of work; it may fail as work over a network does. */
import type { NormalizedEvent } from '../../src/core/event.ts'
import { makeInstant } from '../../src/core/instant.ts'
import { flushCold } from '../../src/engine/cold/flush.ts'
import { compactCold, vacuumCold, verifyCold } from '../../src/engine/cold/maintain.ts'
import { pruneCold } from '../../src/engine/cold/prune.ts'
import { withSlot } from '../../src/engine/slot.ts'
import { type ArchiveRow, tombstone } from '../../src/ports/archive.ts'
import { STATE } from '../../src/ports/slots.ts'
import type { BuildState, FullLedgerRow, Renormalized, Unit } from '../../src/ports/store.ts'
import { columnsOf } from './hot-state.ts'
import { entitiesOf } from './truth.ts'
import type { Host, World } from './world.ts'

export type Work = (world: World, host: Host) => Promise<void>

export const VERSION = 'v1'

const BASE = Date.UTC(2025, 0, 1)

/** Event number `n`; its time has little to do with its number, and no other event or version has its texts. */
function eventOf(n: number, version = '0'): NormalizedEvent {
  return {
    eventId: `event-${n}`,
    eventType: n % 2 === 0 ? 'opened' : 'closed',
    timestamp: makeInstant(BASE + ((n * 7_919) % 97) * 1_000, 0)!,
    source: n % 3 === 0 ? 'app' : 'kiosk',
    data: {},
    hints: {},
    dataJson: `{"text":"<${n}.${version}>"}`,
    kindsJson: null,
    hintsJson: `{"hint":"(${n}.${version})"}`,
    rawJson: `{"raw":${n}}`,
  }
}

export async function appendSome({ random, truth, database, settings }: World, { store, engine }: Host): Promise<void> {
  const known = truth.head
  const count = Math.min(random.between(1, 4), settings.rows - known)
  await engine.unit('', async (unit) => {
    const first = database.stateIn(unit).head + 1
    const repeated = known > 0 && random.chance(0.3) ? random.between(1, known) : 0
    // The id of a row that does not normalize is nobody's.
    const repeats = repeated > 0 && truth.row(repeated)?.excluded === false ? [repeated] : []
    const numbers = [...repeats, ...Array.from({ length: Math.max(0, count) }, (_, index) => first + index)]
    const results = await store.ledger.append(
      unit,
      numbers.map((n) => eventOf(n)),
    )
    for (const [index, n] of numbers.entries()) {
      const { sequence, inserted } = results[index]!
      if (sequence !== n || inserted === n < first) {
        throw new Error(`event ${n} came to sequence ${sequence}, ${inserted ? 'new' : 'known'}`)
      }
    }
    const added = numbers.filter((n) => n >= first)
    await store.mapping.write(
      unit,
      added.flatMap((sequence) =>
        entitiesOf(sequence).map((entityId) => ({ sequence, entityId, entityType: 'thing' })),
      ),
    )
    database.onceCommitted(unit, () => {
      for (const n of added) truth.set({ ...columnsOf(eventOf(n)), sequence: n })
    })
  })
  if (random.chance(0.5)) await build(store, engine)
}

/** Interprets everything, as far as pruning looks at it. */
export async function build(store: Host['store'], engine: Host['engine']): Promise<void> {
  await withSlot(engine, STATE, 'build', undefined, async (slot) => {
    const cursor = await store.ledger.head()
    await slot.unit(VERSION, (unit) => store.builds.put(unit, stateAt(cursor)))
  })
}

export async function flush({ random, truth }: World, { engine }: Host): Promise<void> {
  await flushCold(engine, random.chance(0.5) ? {} : { upTo: random.between(1, truth.head + 1) })
}

export async function prune({ random, truth, rot }: World, { engine }: Host): Promise<void> {
  rot.pruning += 1
  try {
    await pruneCold(engine, { before: random.chance(0.5) ? truth.head : random.below(truth.head + 1) })
  } finally {
    rot.pruning -= 1
  }
}

export async function maintain(world: World, { engine, archive }: Host): Promise<void> {
  const { random, scheduler, rot } = world
  const what = random.below(10)
  if (what < 3) await compactCold(engine)
  else if (what < 6) await vacuumCold(engine, { retentionMs: 0 })
  else if (what < 7) await archive.checkpoint()
  else if (what < 8) await archive.purge()
  else {
    const before = rot.files.size === 0 ? rot.spoiled : null
    const { problems } = await verifyCold(engine)
    if (problems.length > 0 && rot.spoiled === before) {
      scheduler.fail(`verify: ${JSON.stringify(problems)}`)
    }
  }
}

/** Gives some rows another content, as a reset does, and carries that into the archive now or later. */
export async function change(world: World, host: Host): Promise<void> {
  if (world.truth.head === 0 || !world.changes) return
  world.changing += 1
  try {
    await changeRows(world, host)
  } finally {
    world.changing -= 1
  }
  if (world.random.chance(0.3)) return
  const begin = world.scheduler.step
  await host.store.ledger.settle()
  assertVanished(world, begin)
}

/** Erases some rows, and carries that into the archive now or later. */
export async function erase(world: World, { store, engine }: Host): Promise<void> {
  const { random, truth, database, scheduler } = world
  if (truth.head === 0) return
  const given = [...new Set([random.between(1, truth.head), random.between(1, truth.head)])]
  const rows = given.map((sequence) => ({ sequence, digest: random.chance(0.5) ? `digest-${sequence}` : null }))
  await withSlot(engine, STATE, 'erase', undefined, (slot) =>
    slot.unit('', async (unit) => {
      await store.ledger.empty(unit, rows)
      database.onceCommitted(unit, () => {
        for (const { sequence, digest } of rows) {
          const before = truth.row(sequence)
          const known = before?.eventType === null ? before.eventId : null
          truth.set(tombstone(sequence, known ?? digest))
        }
      })
    }),
  )
  if (random.chance(0.3)) return
  const begin = scheduler.step
  await store.ledger.settle()
  assertVanished(world, begin)
}

async function changeRows({ random, truth, database, newId }: World, { store, engine }: Host): Promise<void> {
  const sequences = [...new Set([random.between(1, truth.head), random.between(1, truth.head)])].sort((a, b) => a - b)
  const hintsOnly = random.chance(0.3)
  await withSlot(engine, STATE, 'change', undefined, (slot) =>
    slot.unit('', async (unit) => {
      const rows = await before(store, unit, sequences)
      const changed = rows.map((row) => changedRow(truth.row(row.sequence)!, newId(), hintsOnly, random.chance(0.15)))
      if (hintsOnly) {
        await store.ledger.updateHints(
          unit,
          changed.map(({ row: { sequence, hints } }) => ({ sequence, hintsJson: hints! })),
        )
      } else {
        await store.ledger.beginRenormalize(unit)
        await store.ledger.renormalize(
          unit,
          changed.map(
            ({ row, event }, index): Renormalized => ({ sequence: row.sequence, event, before: rows[index]! }),
          ),
        )
        await store.ledger.endRenormalize(unit)
      }
      database.onceCommitted(unit, () => {
        for (const { row } of changed) truth.set(row)
      })
    }),
  )
}

/** What was superseded before a settling began is in no live file after it. */
export function assertVanished({ truth, table, scheduler }: World, begin: number): void {
  const dead = new Set(truth.dead(begin))
  for (const { path, rows } of table.files()) {
    const found = (rows ?? []).find(({ data, hints, raw }) => [data, hints, raw].some((text) => dead.has(text!)))
    if (found !== undefined) scheduler.fail(`${path} still has ${found.sequence} as it was before it was settled`)
  }
}

async function before(store: Host['store'], unit: Unit, sequences: readonly number[]): Promise<FullLedgerRow[]> {
  const rows: FullLedgerRow[] = []
  for (const sequence of sequences) {
    for await (const chunk of store.ledger.scan({ unit, after: sequence - 1, to: sequence, all: true }))
      rows.push(...chunk)
  }
  return rows
}

function changedRow(
  row: ArchiveRow,
  version: string,
  hintsOnly: boolean,
  excluded: boolean,
): { row: ArchiveRow; event: NormalizedEvent | null } {
  const { sequence } = row
  if (hintsOnly) return { row: { ...row, hints: `{"hint":"(${sequence}.${version})"}` }, event: null }
  if (excluded) return { row: { ...row, excluded: true, duplicateOf: null }, event: null }
  const event = eventOf(sequence, version)
  return { row: { ...columnsOf(event), sequence }, event }
}

export function stateAt(cursor: number): BuildState {
  return {
    version: VERSION,
    definitionHash: 'd',
    sourceHash: 's',
    identityHash: 'i',
    cursor,
    watermark: null,
    dirty: false,
    lastBuildTime: null,
    lastBuildMode: null,
    totalShards: 0,
    generation: 0,
    tickHorizon: null,
    changeCursor: 0,
  }
}
