/** Erasing one person from one process: every store of the database, and what others still see (spec 05 §4). */
import { afterEach, describe, expect, test } from 'vitest'
import type { Defacto, DefactoOptions } from '../../src/index.ts'
import { ADA, ADAS, answers, eraseDefinitions, idOf, OTHERS, openErase, sightings } from '../support/erase-world.ts'
import { describePostgres } from '../support/postgres.ts'
import { postgresPlace } from '../support/postgres-place.ts'
import { type Place, sqlitePlace, tieredPlace } from '../support/scenario.ts'

const PLACES = [
  { name: 'SQLite', scope: describe, place: sqlitePlace },
  { name: 'SQLite with a cold tier', scope: describe, place: () => tieredPlace(sqlitePlace) },
  { name: 'Postgres', scope: describePostgres, place: postgresPlace },
  { name: 'Postgres with a cold tier', scope: describePostgres, place: () => tieredPlace(postgresPlace) },
]

for (const { name, scope, place } of PLACES) {
  scope(`erasing in ${name}`, () => {
    const open: { engines: Defacto[]; places: Place[] } = { engines: [], places: [] }
    afterEach(async () => {
      for (const engine of open.engines.splice(0)) await engine.close()
      for (const one of open.places.splice(0)) await one.dispose()
    })
    async function at(): Promise<DefactoOptions> {
      const made = await place()
      open.places.push(made)
      return made.options
    }
    async function start(options: DefactoOptions, definitions: object = eraseDefinitions()): Promise<Defacto> {
      const engine = await openErase(options, definitions)
      open.engines.push(engine)
      return engine
    }
    /** Rows that came first are archived; those of `keep` last ones stay in the database. */
    async function archive(engine: Defacto, options: DefactoOptions, keep: number): Promise<void> {
      if (options.coldLedger === undefined) return
      await engine.ledger.tiers.flush()
      const { head } = await engine.ledger.tiers.status()
      await engine.ledger.tiers.prune({ before: Math.max(0, head - keep) })
    }

    test('the whole person goes, named by the id that lost; others stay as they were', async () => {
      const options = await at()
      const engine = await start(options)
      // Two ids first, which the phone makes one.
      await engine.ingest('crm', [ADAS[0], ADAS[1]] as never, { process: true })
      const both = [await idOf(engine, ADA.email), await idOf(engine, ADA.second)] as [string, string]
      expect(both[0]).not.toBe(both[1])
      await engine.ingest('crm', [...OTHERS, ...ADAS.slice(2)] as never, { process: true })
      await archive(engine, options, 4)
      // Sent again: a repeat.
      await engine.ingest('crm', [{ ...ADAS[2], extra: ADA.name }] as never, { process: true })
      // Nobody has interpreted this one.
      await engine.ingest('crm', [
        { kind: 'called', n: 'late', at: '2024-02-01T00:00:00Z', caller: ADA.phone },
      ] as never)
      const before = await answers(engine, both)
      expect(await sightings(options)).not.toEqual([])
      const loser = both[0] < both[1] ? both[1] : both[0]

      const result = await engine.erase(loser)

      expect(result).toMatchObject({ entityId: loser, entitiesErased: 2, complete: true, pending: [] })
      expect(result.mergeLogCleaned).toBe(1)
      expect(result.eventsScrubbed).toBe(2)
      expect(result.eventsDeleted).toBeGreaterThanOrEqual(6)
      expect(await sightings(options)).toEqual([])
      expect(await answers(engine, [])).toEqual(before)
      for (const id of both) {
        expect(await engine.ledger.eventsFor(id)).toEqual([])
        expect(await engine.identity.hints(id)).toEqual({})
      }
      expect(await engine.erase(loser)).toMatchObject({ entitiesErased: 0, eventsDeleted: 0, complete: true })

      // Nothing brings anything back.
      await engine.build({ full: true })
      expect(await answers(engine, [])).toEqual(before)
      await engine.build({ fromRaw: true })
      expect(await answers(engine, [])).toEqual(before)
      await engine.close()
      const again = await start(options)
      await again.build()
      expect(await answers(again, [])).toEqual(before)
      expect(await sightings(options)).toEqual([])

      // The same hints are somebody new.
      await again.ingest('crm', [ADAS[2]] as never, { process: true })
      const fresh = await idOf(again, ADA.email)
      expect(fresh).toBeDefined()
      expect(both).not.toContain(fresh)
      expect((await again.ledger.eventsFor(fresh as string)).length).toBe(1)
    })

    test('with suppress an event that is sent again is refused', async () => {
      const options = await at()
      const engine = await start(options)
      await engine.ingest('crm', [...OTHERS, ...ADAS] as never, { process: true })
      await archive(engine, options, 2)
      const id = (await idOf(engine, ADA.email)) as string
      await engine.erase(id, { suppress: true })
      const sent = await engine.ingest('crm', ADAS.slice(0, 5) as never, { process: true })
      expect(sent.eventsIngested).toBe(0)
      expect(await idOf(engine, ADA.email)).toBeUndefined()
      await engine.build({ fromRaw: true })
      expect((await engine.ingest('crm', ADAS.slice(0, 5) as never)).eventsIngested).toBe(0)
      expect(await sightings(options)).toEqual([])
    })

    test('every version forgets, and rows that do not normalize any more', async () => {
      const options = await at()
      for (const no of [1, 2] as const) {
        const engine = await start(options, eraseDefinitions(no))
        if (no === 1) await engine.ingest('crm', [...OTHERS, ...ADAS] as never)
        await engine.build()
        await engine.close()
      }
      const narrow = eraseDefinitions(3, ({ sources }) => {
        const events = sources['crm']?.events ?? {}
        delete events['called']
      })
      const engine = await start(options, narrow)
      await engine.build()
      await archive(engine, options, 3)
      const id = (await idOf(engine, ADA.email)) as string
      expect((await engine.erase(id)).complete).toBe(true)
      expect(await sightings(options)).toEqual([])
      await engine.build({ full: true })
      expect(await sightings(options)).toEqual([])
      await engine.close()
      const first = await start(options, eraseDefinitions(1))
      await first.build({ fromRaw: true })
      expect(await idOf(first, ADA.email)).toBeUndefined()
      expect(await idOf(first, ADA.phone)).toBeUndefined()
      expect(await sightings(options)).toEqual([])
    })

    test('a hold stands in the way, and a plan changes nothing', async () => {
      const options = await at()
      const engine = await start(options)
      await engine.ingest('crm', [...OTHERS, ...ADAS] as never, { process: true })
      const id = (await idOf(engine, ADA.email)) as string
      const plan = await engine.erasure.plan({ entityId: id })
      expect(plan).toMatchObject({ entityId: id, eventsScrubbed: 2, holds: [] })
      const hold = await engine.holds.add({ entityId: id, reason: 'a case in court' })
      await expect(engine.erase(id)).rejects.toMatchObject({ name: 'HoldError', code: 'E_HOLD' })
      expect(await idOf(engine, ADA.email)).toBe(id)
      await engine.holds.release(hold.holdId)
      const result = await engine.erase(id)
      expect(result.complete).toBe(true)
      expect(plan.eventsDeleted).toBe(result.eventsDeleted)
    })

    test('events that name the person, but are in no history yet, lose it, too', async () => {
      const options = await at()
      const engine = await start(options)
      await engine.ingest('crm', [...OTHERS, ...ADAS] as never, { process: true })
      const id = (await idOf(engine, ADA.email)) as string
      const before = await engine.erasure.plan({ entityId: id })
      const report = (no: number): object => ({
        kind: 'reported',
        n: `late${no}`,
        at: '2024-02-02T00:00:00Z',
        ticket: `L${no}`,
        from: no === 3 ? 'bob@other.example' : ADA.second,
      })
      await engine.ingest('crm', [1, 2, 3].map(report) as never, { process: false })
      const plan = await engine.erasure.plan({ entityId: id })
      expect(plan.eventsScrubbed).toBe(before.eventsScrubbed + 2)
      expect(plan.eventsDeleted).toBe(before.eventsDeleted)
      // Another version relates what this one does not, and was never built.
      const relating = eraseDefinitions(1, ({ entities }) => {
        const states = (entities['company'] as { states: Record<string, { when: Record<string, unknown> }> }).states
        const relate = { relate: { type: 'contact', target: 'person', hints: { person: ['email'] } } }
        ;(states['client'] as { when: Record<string, unknown> }).when['noted'] = { effects: ['create', relate] }
      })
      const noted = {
        mappings: { email: { from: 'about' }, vat: { from: 'vat' } },
        hints: { company: ['vat'] },
      }
      ;(relating.sources.crm.events as Record<string, unknown>)['noted'] = noted
      await engine.close()
      const other = await start(options, relating)
      const note = { kind: 'noted', at: '2024-02-03T00:00:00Z', about: ADA.email, vat: 'DE9' }
      await other.ingest('crm', [note] as never, { process: true })
      await other.close()
      const first = await start(options)
      expect((await first.erase(id)).complete).toBe(true)
      expect(await sightings(options)).toEqual([])
    })

    test('nobody of that id: zeros, and no request', async () => {
      const engine = await start(await at())
      await engine.ingest('crm', OTHERS as never, { process: true })
      expect(await engine.erase('nobody')).toMatchObject({ entitiesErased: 0, requestId: null, complete: true })
      expect(await engine.erasure.list()).toEqual([])
      await expect(engine.erase('')).rejects.toMatchObject({ name: 'ConfigError' })
    })
  })
}
