/** The write rules, applied to whole batches at once, must come to what SQLite does write by write (spec 07 §6.1). */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openPostgresStore } from '../../src/adapters/postgres/store.ts'
import { openSqliteStore } from '../../src/adapters/sqlite/store.ts'
import type { EdgeRow, EntityWrite, HistoryRow } from '../../src/core/history.ts'
import type { Store } from '../../src/ports/store.ts'
import { inUnit, NOW } from '../../src/testing/contract/backend.ts'
import { day, edge, LAYOUT, prepareVersion, row, rowsOf, write } from '../../src/testing/contract/fixtures.ts'
import { describePostgres, type FreshNamespace, freshNamespace } from '../support/postgres.ts'

const TARGETS = ['x', 'y']

/** What an engine might do next to one of a few entities. */
interface Step {
  readonly entity: number
  readonly kind: 'rows' | 'touch' | 'rebuild' | 'again' | 'older'
  /** Days from the open row to the next, and so on; 0 takes the place of the open row. */
  readonly gaps: readonly number[]
  readonly related: readonly ('open' | 'close' | 'both' | 'no')[]
  readonly knows: boolean
  readonly commit: boolean
}

const step: fc.Arbitrary<Step> = fc.record({
  entity: fc.nat(2),
  kind: fc.constantFrom('rows', 'rows', 'rows', 'touch', 'touch', 'rebuild', 'again', 'older'),
  gaps: fc.array(fc.nat(2), { minLength: 1, maxLength: 3 }),
  related: fc.tuple(...TARGETS.map(() => fc.constantFrom('open', 'close', 'both', 'no'))),
  knows: fc.boolean(),
  commit: fc.boolean(),
})

interface Entity {
  open: number | null
  seen: number
  generation: number
  revision: number
  edges: Set<string>
  last: EntityWrite | null
}

/** Batches of writes as the port allows them. */
function batches(steps: readonly Step[], prefix: string): EntityWrite[][] {
  const entities = [0, 1, 2].map(
    (): Entity => ({ open: null, seen: 1, generation: 0, revision: 0, edges: new Set(), last: null }),
  )
  const all: EntityWrite[][] = [[]]
  for (const next of steps) {
    const entity = entities[next.entity] as Entity
    const made = writeOf(entity, next, `${prefix} ${next.entity}`)
    if (made !== null) all.at(-1)?.push(made)
    if (next.commit) all.push([])
  }
  return all.filter((batch) => batch.length > 0)
}

function writeOf(entity: Entity, step: Step, id: string): EntityWrite | null {
  if (step.kind === 'again') return entity.last
  if (step.kind === 'older') {
    return entity.generation === 0 ? null : write('member', id, { generation: 0, revision: 99, rows: [row(day(29))] })
  }
  const known = step.knows && entity.open !== null ? { openSince: day(entity.open) } : {}
  if (step.kind === 'touch') {
    if (entity.open === null) return null
    entity.seen += 1
    entity.last = write('member', id, { ...known, ...revisionOf(entity), touch: day(entity.seen) })
    return entity.last
  }
  const replace = step.kind === 'rebuild'
  if (replace) Object.assign(entity, { open: null, generation: entity.generation + 1, revision: 0, edges: new Set() })
  const days: number[] = []
  let at = entity.open ?? 1
  for (const [i, gap] of step.gaps.entries()) {
    at += i === 0 ? gap : Math.max(1, gap)
    days.push(at)
  }
  if (at > 28) return null
  const touch = !replace && entity.open !== null && (days[0] as number) > entity.open ? day(entity.seen) : null
  const rows = days.map(
    (n, i): HistoryRow =>
      row(day(n), { state: `s${step.gaps.length}`, validTo: i + 1 < days.length ? day(days[i + 1] as number) : null }),
  )
  const changes = edgesOf(entity, step, days[0] as number)
  Object.assign(entity, { open: at, seen: Math.max(at, entity.seen), revision: entity.revision + rows.length })
  const made = write('member', id, {
    ...(replace ? {} : known),
    ...revisionOf(entity),
    replace,
    rows,
    touch,
    ...changes,
  })
  entity.last = replace ? null : made
  return made
}

function revisionOf({ generation, revision }: Entity): { generation: number; revision: number } {
  return { generation, revision }
}

function edgesOf(entity: Entity, { related }: Step, at: number): Pick<EntityWrite, 'closedEdges' | 'edges'> {
  const closedEdges: { type: string; targetId: string; at: ReturnType<typeof day> }[] = []
  const edges: EdgeRow[] = []
  for (const [i, what] of related.entries()) {
    const targetId = TARGETS[i] as string
    if (entity.edges.has(targetId)) {
      if (what !== 'close' && what !== 'both') continue
      closedEdges.push({ type: 'knows', targetId, at: day(at) })
      if (what === 'both') edges.push(edge('knows', targetId, day(at)))
      else entity.edges.delete(targetId)
    } else if (what === 'open') {
      edges.push(edge('knows', targetId, day(at)))
      entity.edges.add(targetId)
    }
  }
  return { closedEdges, edges }
}

describePostgres('writes of a batch', () => {
  let place: FreshNamespace
  let postgres: Store
  let sqlite: Store
  beforeAll(async () => {
    place = freshNamespace()
    postgres = await openPostgresStore({ url: place.url, namespace: place.namespace, now: () => NOW })
    sqlite = await openSqliteStore({ path: ':memory:', now: () => NOW })
    for (const store of [postgres, sqlite]) await inUnit(store, (unit) => prepareVersion(store, unit))
  })
  afterAll(async () => {
    await sqlite?.close()
    await postgres?.close()
    await place?.drop()
  })

  const COLUMNS = ['member_id', 'valid_from', 'valid_to', 'member_state', 'last_event_time', 'merged_into']
  const HIDDEN = ['_generation', '_revision', '_sequence']
  async function stateOf(store: Store, prefix: string): Promise<unknown> {
    const rows = await rowsOf(store, 'history', 'member', [...COLUMNS, ...HIDDEN])
    const edges = await rowsOf(store, 'relationship', 'knows', ['source_id', 'target_id', 'valid_from', 'valid_to'])
    // An unchanged closed row may keep the generation that wrote it; the entity's is that of its open row.
    const said = rows.map((r) => (r['valid_to'] === null ? r : { ...r, _generation: 0, _revision: 0 }))
    return [
      said.filter((r) => String(r['member_id']).startsWith(prefix)),
      edges.filter((e) => String(e['source_id']).startsWith(prefix)),
    ]
  }

  it('come to the same as in SQLite', async () => {
    let run = 0
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
        run += 1
        const prefix = `run ${run}:`
        for (const batch of batches(steps, prefix)) {
          for (const store of [postgres, sqlite]) {
            await inUnit(store, (unit) => store.history.write(unit, 'live', LAYOUT, batch))
          }
          expect(await stateOf(postgres, prefix)).toEqual(await stateOf(sqlite, prefix))
        }
        const absorbed = [postgres, sqlite].map((store) =>
          inUnit(store, (unit) => store.history.absorb(unit, LAYOUT, 'member', `${prefix} 1`, `${prefix} 0`, day(9))),
        )
        expect((await absorbed[0])?.sort()).toEqual((await absorbed[1])?.sort())
        expect(await stateOf(postgres, prefix)).toEqual(await stateOf(sqlite, prefix))
        const ids = [{ id: `${prefix} 2`, type: 'member' }]
        for (const store of [postgres, sqlite]) await inUnit(store, (unit) => store.history.remove(unit, LAYOUT, ids))
        expect(await stateOf(postgres, prefix)).toEqual(await stateOf(sqlite, prefix))
      }),
      { numRuns: Number(process.env['DEFACTO_RUNS'] ?? 60) },
    )
  })
})
