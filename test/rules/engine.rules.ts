/** What the engine adds to the pure core: each rule of the use cases with the mistake it guards against. */
import '../support/small-units.ts'
import assert from 'node:assert/strict'
import type { Defs } from '../oracle/definitions.ts'
import { type Delivery, oracle } from '../oracle/oracle.ts'
import { EQUIVALENCE_CHECKS } from '../support/equivalences.ts'
import { ownedThings, ownershipCases } from '../support/owned-things.ts'
import { assertAsOracle, inFolder, Player, play, type Step } from '../support/scenario.ts'
import { type ShopDefinitions, shopDefinitions, shopRecords } from '../support/shop-records.ts'
import { readWorld, sorted } from '../support/world.ts'
import { HOUR, START } from '../support/world-arbitrary.ts'
import type { Rule } from './rule.ts'

const engine = (name: string): string => `src/engine/${name}.ts`

function equivalence(id: string, file: string, find: string, replace: string, seed: number): Rule {
  const check = (): Promise<void> => EQUIVALENCE_CHECKS[id]?.({ numRuns: 8, seed }) ?? assert.fail(id)
  return { id, spec: '03 §12', off: { file, find, replace }, check }
}

const shop = shopDefinitions()
/** The first two months of a year of the shop; later records would lie behind the end of the scenarios. */
const DELIVERIES: Delivery[] = shopRecords(240, 11)
  .slice(0, 80)
  .map((record) => ({ source: 'kiosk', record }))

async function shopAsOracle(plan: readonly Step[]): Promise<void> {
  assertAsOracle(shop, DELIVERIES, await play(shop, DELIVERIES, plan))
}

/** The space as these steps leave it, without the closing tick that scenarios end with, against the reference. */
async function asOracleAt(hour: number, deliveries: readonly Delivery[], plan: readonly Step[]): Promise<void> {
  await inFolder(async (folder) => {
    const player = new Player(shop, { database: `${folder}/defacto.db` })
    await player.open({})
    try {
      let next = 0
      for (const step of plan) {
        if (step.do !== 'ingest') await player.step(step)
        else {
          await player.ingest(deliveries.slice(next, next + step.count), step.process)
          next += step.count
        }
      }
      const expected = oracle(shop as unknown as Defs, deliveries, START + hour * HOUR)
      assert.deepEqual(await readWorld(player.engine, shop), sorted(expected.world))
    } finally {
      await player.close()
    }
  })
}

const at = (day: number): string => new Date(START + day * 24 * HOUR).toISOString()
const kiosk = (kind: string, day: number, rest: object): Delivery => ({
  source: 'kiosk',
  record: { kind, at: at(day), ...rest },
})
const ANA = kiosk('member.new', 1, { contact: { mail: 'ana@shop.io' }, card: '1' })

/** Two people with histories of their own turn out to be one. */
const MERGING: Delivery[] = [
  ANA,
  kiosk('member.new', 1.5, { contact: { mail: 'bo@shop.io' }, card: '2' }),
  kiosk('loan.start', 2, { card: '2', loan: { no: 7, items: [{ sku: 'saw' }] } }),
  kiosk('member.new', 3, { contact: { mail: 'ana@shop.io' }, card: '2' }),
]

async function oneByOne(deliveries: readonly Delivery[]): Promise<void> {
  const plan: Step[] = deliveries.map(() => ({ do: 'ingest', count: 1, process: true }))
  assertAsOracle(shop, deliveries, await play(shop, deliveries, plan))
}

/** Histories of things that are linked to people under several names. */
async function ownership(index: number): Promise<void> {
  const [, records] = ownershipCases[index] as [string, object[]]
  const deliveries = records.map((record) => ({ source: 'main', record }))
  for (let seed = 0; seed < 4; seed += 1) {
    await inFolder(async (folder) => {
      const player = new Player(ownedThings, { database: `${folder}/defacto.db` }, seed)
      await player.open({})
      for (const delivery of deliveries) await player.ingest([delivery], true)
      const outcome = await player.finish()
      await player.close()
      assertAsOracle(ownedThings, deliveries, outcome)
    })
  }
}

/** The shop's ledger under edited definitions. */
async function changed(edit: (definitions: ShopDefinitions) => void): Promise<void> {
  const after = structuredClone(shop)
  edit(after)
  const { rejected, duplicates } = oracle(shop as unknown as Defs, DELIVERIES, null)
  const out = new Set([...duplicates, ...rejected.map((one) => one.index)])
  const kept = DELIVERIES.filter((_, index) => !out.has(index))
  await inFolder(async (folder) => {
    const first = new Player(shop, { database: `${folder}/defacto.db` })
    await first.open({})
    await first.ingest(DELIVERIES, true)
    await first.close()
    const second = new Player(after, { database: `${folder}/defacto.db` }, 1)
    await second.open({})
    const { world } = await second.finish()
    await second.close()
    const expected = oracle(after as unknown as Defs, kept, START + 1600 * HOUR)
    assert.deepEqual(world, sorted(expected.world))
  })
}

const part = (definitions: ShopDefinitions, path: string): Record<string, object> => {
  return path
    .split('.')
    .reduce<object>((at, key) => (at as Record<string, object>)[key] as object, definitions) as Record<string, object>
}

export const rules: Rule[] = [
  equivalence(
    'eq.1',
    engine('full-build'),
    'rows.findLastIndex((row) => row.entityId !== last.entityId) + 1',
    'rows.length',
    1,
  ),
  equivalence(
    'eq.2',
    engine('interpret-range'),
    'if (isLate(before.state, first.timestamp)) {',
    'if (false as boolean) {',
    2,
  ),
  equivalence(
    'eq.3',
    'src/adapters/sqlite/ledger.ts',
    'if (!keepDuplicates || canonical > before) {',
    'if (false as boolean) {',
    3,
  ),
  equivalence('eq.4', 'src/core/time-rules.ts', 'fire(work, next)', 'fire(work, { ...next, crossing: t })', 4),
  equivalence('eq.5', 'src/core/checkpoint.ts', '    state.lastEventTime,\n', '    null,\n', 5),
  equivalence('eq.6', 'src/core/working.ts', 'this.#enterState(this.#before.current)', '', 6),
  {
    id: 'engine.merge.rebuild',
    spec: '04 §3.5',
    off: { file: engine('merges'), find: 'if (owns(shard, into)) winners.add(into)', replace: '' },
    check: () => oneByOne(MERGING),
  },
  {
    id: 'engine.merge.resolved',
    spec: '04 §3.4',
    off: {
      file: engine('mapping'),
      find: 'for (const merge of resolved.merges) {',
      replace: 'for (const merge of resolved.merges.slice(1)) {',
    },
    check: () => oneByOne(MERGING),
  },
  {
    id: 'engine.merge.edges',
    spec: '05 §3.3',
    off: { file: engine('merges'), find: 'engine.cache(edition.version).forgetEdgesTo(gone)', replace: '' },
    check: () => ownership(2),
  },
  {
    id: 'engine.merge.reserved',
    spec: '03 §6',
    off: {
      file: engine('mapping'),
      find: 'for (const group of event.groups) collect(group.entityType, group.hints)',
      replace: '',
    },
    check: () => ownership(0),
  },
  {
    id: 'engine.tick.units',
    spec: '05 §2.3',
    off: { file: engine('tick'), find: 'more = full', replace: 'more = false' },
    check: () => {
      const members = Array.from({ length: 30 }, (_, i) =>
        kiosk('member.new', 1, { contact: { mail: `m${i}@shop.io` }, card: String(i) }),
      )
      return asOracleAt(2400, members, [
        { do: 'ingest', count: 30, process: true },
        { do: 'tick', hour: 2400 },
      ])
    },
  },
  {
    id: 'engine.build.horizon',
    spec: '03 §10',
    off: {
      file: engine('tick'),
      find: 'due(unit, edition.version, to, limit)',
      replace: 'due(unit, edition.version, asOf, limit)',
    },
    check: () => {
      const steps: Step[] = [
        { do: 'tick', hour: 2400 },
        { do: 'ingest', count: 1, process: false },
        { do: 'build', hour: 100 },
        { do: 'ingest', count: 1, process: true },
      ]
      const other = kiosk('member.new', 2, { contact: { mail: 'bo@shop.io' }, card: '2' })
      return asOracleAt(2400, [ANA, other], steps)
    },
  },
  {
    id: 'engine.tick.horizon',
    spec: '05 §2.2',
    off: {
      file: engine('tick'),
      find: 'laterOf(instantOrNull(state.tickHorizon), asOf)',
      replace: 'asOf as Instant | null',
    },
    check: () => {
      const steps: Step[] = [
        { do: 'tick', hour: 2400 },
        { do: 'tick', hour: 10 },
        { do: 'ingest', count: 1, process: true },
      ]
      return asOracleAt(2400, [ANA], steps)
    },
  },
  {
    id: 'engine.ingest.rest',
    spec: '04 §4.5',
    off: { file: engine('ingest'), find: 'if (chunk.length > 0) await appendChunk(chunk)', replace: '' },
    check: () => shopAsOracle([{ do: 'restart', batchSize: 7, catchUp: true }]),
  },
  {
    id: 'engine.ingest.counts',
    spec: '03 §4',
    off: { file: engine('ingest'), find: 'if (!result.inserted) {', replace: 'if (false as boolean) {' },
    check: () => shopAsOracle([]),
  },
  {
    id: 'engine.pending-first',
    spec: '04 §4.5',
    off: {
      file: engine('interpret-range'),
      find: 'const range = { after: state.cursor,',
      replace: 'const range = { after: Math.max(state.cursor, upTo - 1),',
    },
    check: () =>
      shopAsOracle([
        { do: 'ingest', count: 9, process: true },
        { do: 'ingest', count: 9, process: false },
        { do: 'ingest', count: 9, process: true },
      ]),
  },
  {
    id: 'engine.reset.excluded',
    spec: '04 §4.4',
    off: {
      file: engine('renormalize'),
      find: 'if (!failure.advisory) work.changes.push({ sequence: row.sequence, event: null, before: row })',
      replace: '',
    },
    check: () => {
      const fee = { from: 'new_tier', type: 'number' }
      return changed((after) => Object.assign(part(after, 'sources.kiosk.events.tier_changed.mappings'), { fee }))
    },
  },
  {
    id: 'engine.reset.rehint',
    spec: '03 §6',
    off: { file: engine('reset'), find: 'grouping.add(hints, ', replace: 'grouping.add(previous, ' },
    check: () => changed((after) => Object.assign(part(after, 'entities.member.identity'), { card_no: {} })),
  },
  {
    id: 'engine.reset.stored-hints',
    spec: '04 §4.4',
    off: {
      file: engine('reset'),
      find: '} else if (again.hintsJson !== row.hints) {',
      replace: '} else if (false as boolean) {',
    },
    check: () => changed((after) => Object.assign(part(after, 'entities.member.identity'), { card_no: {} })),
  },
  {
    id: 'engine.failures.told',
    spec: '03 §11',
    off: {
      file: engine('interpret-range'),
      find: 'await reportFailures(this.#engine, this.#edition, this.#failures, this.#tally)',
      replace: '',
    },
    check: async () => {
      const dear = kiosk('member.tier', 2, { card: '1', new_tier: 'plus', monthly_cents: 501 })
      const { interpretation } = await play(
        shop,
        [ANA, dear],
        [
          { do: 'ingest', count: 1, process: true },
          { do: 'ingest', count: 1, process: true },
        ],
      )
      assert.deepEqual(
        interpretation.map(({ sequence, field, handler }) => [sequence, field, handler]),
        [[2, 'fee', 'tier_changed']],
      )
    },
  },
  {
    id: 'engine.cache.epoch',
    spec: '04 §3.3',
    off: {
      file: engine('entity-cache'),
      find: 'if (epoch !== this.#epoch && epoch !== this.#epoch + 1) this.#entities.clear()',
      replace: '',
    },
    check: () =>
      inFolder(async (folder) => {
        const database = { database: `${folder}/defacto.db` }
        const players = [new Player(shop, database, 1), new Player(shop, database, 2)] as const
        for (const player of players) await player.open({})
        // Two engines on one space in turn: what one has in memory the other has changed since.
        for (const [index, delivery] of DELIVERIES.entries())
          await players[index % 2 === 0 ? 0 : 1].ingest([delivery], true)
        await players[1].close()
        const outcome = await players[0].finish()
        await players[0].close()
        const expected = oracle(shop as unknown as Defs, DELIVERIES, START + 1600 * HOUR)
        assert.deepEqual(outcome.world, sorted(expected.world))
      }),
  },
]
