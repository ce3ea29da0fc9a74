/** Merging by hand (spec 05 §3), through the public API on both databases. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Defacto, type DefactoOptions, IdentityError, NotFoundError } from '../../src/index.ts'
import { idOf, merging, openMerging, otherIdentities, picture, RECORDS, seen } from '../support/merging.ts'
import { describePostgres, freshNamespace } from '../support/postgres.ts'

interface Place {
  readonly options: DefactoOptions
  readonly remove: () => Promise<void>
}

const PLACES = [
  {
    name: 'SQLite',
    describe: describe as typeof describePostgres,
    place: async (): Promise<Place> => {
      const folder = await mkdtemp(join(tmpdir(), 'defacto-merge-'))
      return { options: { database: join(folder, 'space.db') }, remove: () => rm(folder, { recursive: true }) }
    },
  },
  {
    name: 'Postgres',
    describe: describePostgres,
    place: async (): Promise<Place> => {
      const { url, namespace, drop } = freshNamespace()
      return { options: { database: url, namespace }, remove: drop }
    },
  },
]

for (const backend of PLACES)
  backend.describe(`merging by hand on ${backend.name}`, () => {
    let place: Place
    let engine: Defacto
    let names: { ann: string; bob: string; cat: string; bike: string; boat: string; both: string }
    beforeEach(async () => {
      place = await backend.place()
      engine = await openMerging(place.options)
      await engine.ingest('web', RECORDS, { process: true })
      names = {
        ann: await idOf(engine, 'ann'),
        bob: await idOf(engine, 'bob'),
        cat: await idOf(engine, 'cat'),
        bike: await idOf(engine, 'bike'),
        boat: await idOf(engine, 'boat'),
        both: await idOf(engine, 'both'),
      }
    })
    afterEach(async () => {
      await engine.close()
      await place.remove()
    })

    const reopen = async (definitions: object = merging, options: DefactoOptions = {}): Promise<void> => {
      await engine.close()
      engine = await openMerging({ ...place.options, ...options }, definitions)
    }
    const now = (): Promise<object> => picture(engine, names)
    const person = async (id: string): Promise<Record<string, unknown> | undefined> =>
      (await engine.table('person').filter({ person_id: id }).rows())[0]

    it('makes both histories one under the winner, in order of time', async () => {
      const result = await engine.merge(names.ann, names.bob, { reason: 'one person' })
      expect(result).toEqual({
        fromEntityId: names.ann,
        intoEntityId: names.bob,
        eventsReassigned: 3,
        // The winner, and the thing that had both as owners.
        entitiesRebuilt: 2,
        tombstonesProduced: 1,
        failures: [],
      })
      expect(await engine.nextBuild()).toMatchObject({ mode: 'SKIP' })
      expect(await person(names.bob)).toMatchObject({ seen: 5, plan: 'free' })
      expect(await person(names.ann)).toBeUndefined()
      expect(await engine.identity.hints(names.bob)).toEqual({ mail: ['ann', 'bob'] })
      const events = await engine.ledger.eventsFor(names.bob)
      expect(events.map(({ eventType }) => eventType)).toEqual([
        'seen',
        'seen',
        'seen',
        'seen',
        'seen',
        '_defacto_merge',
      ])
      const live = await now()
      await engine.build({ full: true })
      expect(await now()).toEqual(live)
    })

    it('marks all rows of the loser, and no edge leads to it or from it', async () => {
      await engine.merge(names.ann, names.bob, { reason: 'one person' })
      const rows = (await engine.history('person').resolveMerges().rows()) as Record<string, unknown>[]
      const losers = rows.filter((row) => row['person_id'] === names.ann)
      expect(losers.length).toBeGreaterThan(2)
      expect(losers.every((row) => row['merged_into'] === names.bob && row['valid_to'] !== null)).toBe(true)
      const edges = (await engine.relationship('owned_by', { history: true }).rows()) as Record<string, unknown>[]
      expect(edges.map((edge) => [edge['source_id'], edge['target_id']]).sort()).toEqual(
        [names.bike, names.boat, names.both].map((thing) => [thing, names.bob]).sort(),
      )
    })

    it('tells what triggered it', async () => {
      await engine.merge(names.ann, names.bob, { reason: 'one person' })
      expect(await engine.identity.merges(names.bob)).toMatchObject([
        {
          mergedEntity: names.ann,
          intoEntity: names.bob,
          reason: 'one person',
          trigger: `_defacto_merge:${names.ann}:${names.bob}`,
        },
      ])
      const event = await engine.ledger.event({ eventId: `_defacto_merge:${names.ann}:${names.bob}` })
      expect(event).toMatchObject({
        eventType: '_defacto_merge',
        source: '_defacto',
        resolutionHints: {},
        raw: { from_entity_id: names.ann, into_entity_id: names.bob, reason: 'one person' },
        data: { from_hints: { person: { mail: ['ann'] } }, into_hints: { person: { mail: ['bob'] } } },
      })
    })

    it('later events of the loser are the winner’s', async () => {
      await engine.merge(names.ann, names.bob)
      await engine.ingest('web', [seen('ann', 70, 'late')], { process: true })
      expect(await engine.identity.lookup('ann')).toBe(names.bob)
      expect(await person(names.bob)).toMatchObject({ seen: 6 })
    })

    it('repeated it does nothing and writes nothing', async () => {
      await engine.merge(names.ann, names.bob)
      const before = await now()
      const count = await engine.ledger.count()
      const again = await engine.merge(names.ann, names.bob, { reason: 'again' })
      expect(again).toMatchObject({ noop: 'already-merged', eventsReassigned: 0, entitiesRebuilt: 0 })
      expect(await engine.ledger.count()).toBe(count)
      expect(await now()).toEqual(before)
    })

    it('refuses what makes no sense, and names who survived', async () => {
      await expect(engine.merge(names.ann, names.ann)).rejects.toThrow(IdentityError)
      await expect(engine.merge(names.ann, names.bike)).rejects.toThrow(IdentityError)
      await expect(engine.merge(names.ann, 'nobody')).rejects.toThrow(NotFoundError)
      expect(await engine.merge('nobody', names.ann)).toMatchObject({ noop: 'unknown-source', eventsReassigned: 0 })
      await engine.merge(names.ann, names.bob)
      await expect(engine.merge(names.cat, names.ann)).rejects.toMatchObject({ details: { survivor: names.bob } })
      expect(await engine.ledger.count()).toBe(RECORDS.length + 1)
    })

    it('who was merged away before stands for its survivor; chains end at one', async () => {
      await engine.merge(names.ann, names.bob)
      const result = await engine.merge(names.ann, names.cat, { reason: 'all one' })
      expect(result).toMatchObject({ fromEntityId: names.bob, intoEntityId: names.cat, eventsReassigned: 6 })
      expect(await person(names.cat)).toMatchObject({ seen: 6 })
      expect(await engine.merge(names.ann, names.cat)).toMatchObject({ noop: 'already-merged' })
      const edges = (await engine.relationship('owned_by').rows()) as Record<string, unknown>[]
      expect(new Set(edges.map((edge) => edge['target_id']))).toEqual(new Set([names.cat]))
      const live = await now()
      await engine.build({ full: true })
      expect(await now()).toEqual(live)
    })

    it('interprets first what waits in the ledger', async () => {
      await engine.ingest('web', [seen('ann', 8, 'new'), seen('dan', 9, 'new')], { process: false })
      await engine.merge(names.ann, names.bob)
      expect(await person(names.bob)).toMatchObject({ seen: 6 })
      expect(await engine.identity.lookup('dan')).toBeDefined()
    })

    it('a warm restart and other definitions find the same', async () => {
      await engine.merge(names.ann, names.bob)
      const live = await now()
      await reopen()
      expect(await now()).toEqual(live)
      await engine.build({ fromRaw: true })
      expect(await engine.identity.lookup('ann')).toBe(names.bob)
      expect(await now()).toEqual(live)
    })

    it('other identity rules keep it, under the same id', async () => {
      await engine.merge(names.ann, names.bob)
      const live = await now()
      await reopen(otherIdentities, { activate: 'always' })
      expect((await engine.identity.merges(names.bob)).map(({ mergedEntity }) => mergedEntity)).toEqual([names.ann])
      expect(await engine.identity.lookup('ann')).toBe(names.bob)
      expect(await now()).toEqual(live)
      expect((await engine.ledger.eventsFor(names.bob)).map(({ eventType }) => eventType)).toContain('_defacto_merge')
    })

    it('a database restored from the archive groups the same, under new ids', async () => {
      const archive = await mkdtemp(join(tmpdir(), 'defacto-merge-archive-'))
      const next = await backend.place()
      try {
        await reopen(merging, { coldLedger: { url: archive } } as DefactoOptions)
        await engine.merge(names.ann, names.bob, { reason: 'one person' })
        const before = (await engine.table('person').orderBy('seen').rows()) as Record<string, unknown>[]
        await engine.ledger.tiers.flush()
        const elsewhere = { ...next.options, coldLedger: { url: archive }, logLevel: 'ERROR' } as DefactoOptions
        await Defacto.restore(merging, elsewhere)
        await using restored = await openMerging(elsewhere)
        await restored.build()
        const after = (await restored.table('person').orderBy('seen').rows()) as Record<string, unknown>[]
        const withoutIds = (rows: Record<string, unknown>[]) => rows.map(({ person_id: _, ...row }) => row)
        expect(withoutIds(after)).toEqual(withoutIds(before))
        expect(await restored.identity.lookup('ann')).toBe(await idOf(restored, 'bob'))
        expect(await restored.identity.lookup('ann')).not.toBe(names.bob)
      } finally {
        await next.remove()
        await rm(archive, { recursive: true })
      }
    })

    it('a version of before the merge follows when it builds', async () => {
      const changed = {
        ...merging,
        entities: {
          ...merging.entities,
          person: {
            ...merging.entities.person,
            properties: { ...merging.entities.person.properties, more: { type: 'string' } },
          },
        },
      }
      await reopen(changed, { version: 'second', activate: 'always' })
      await engine.merge(names.ann, names.bob)
      const second = (await engine.table('person').rows()) as Record<string, unknown>[]
      await reopen(merging, { activate: 'always' })
      const first = (await engine.table('person').rows()) as Record<string, unknown>[]
      expect(first.map((row) => row['person_id']).sort()).toEqual(second.map((row) => row['person_id']).sort())
      const live = await now()
      await engine.build({ full: true })
      expect(await now()).toEqual(live)
    })

    it('two engines that merge at once do so one after the other', async () => {
      const other = await openMerging(place.options)
      try {
        const [one, two] = await Promise.all([
          engine.merge(names.ann, names.cat, { reason: 'a' }),
          other.merge(names.bob, names.cat, { reason: 'b' }),
        ])
        expect([one.noop, two.noop]).toEqual([undefined, undefined])
        expect(await person(names.cat)).toMatchObject({ seen: 6 })
        const both = await Promise.all([engine.merge(names.ann, names.cat), other.merge(names.ann, names.cat)])
        expect(both.map(({ noop }) => noop)).toEqual(['already-merged', 'already-merged'])
      } finally {
        await other.close()
      }
    })
  })
