/** Holds: what must not be erased, whoever asks (spec 10 §10.1). */
import { expect, onTestFinished, test } from 'vitest'
import { hearFailpoints } from '../../src/engine/failpoint.ts'
import { ConfigError, HoldError, NotFoundError } from '../../src/errors.ts'
import type { Defacto } from '../../src/index.ts'
import { PLACES } from '../support/compliance-space.ts'
import { bought, idOf, RECORDS } from '../support/merging.ts'

async function filled(defacto: Defacto): Promise<Defacto> {
  await defacto.ingest('web', RECORDS as never)
  await defacto.build()
  return defacto
}

const isThere = async (defacto: Defacto, mail: string): Promise<boolean> =>
  (await defacto.identity.lookup(mail)) !== undefined

for (const { name, describe, space } of PLACES) {
  describe(`holds in ${name}`, () => {
    test('keep an entity until the last of them is released; then its request goes on', async () => {
      const defacto = await filled(await space().open())
      const ann = await idOf(defacto, 'ann')
      const first = await defacto.holds.add({ entityId: ann, reason: 'a lawsuit', placedBy: 'legal' })
      const second = await defacto.holds.add({ hint: 'person.mail=ann', reason: 'another one' })
      expect(first).toMatchObject({ entityId: ann, entityType: null, releasedAt: null })
      const error = await defacto.erase(ann).catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(HoldError)
      const { holds, requestId } = (error as HoldError).details as { holds: string[]; requestId: string }
      expect(holds).toEqual([first.holdId, second.holdId])
      await expect(defacto.redact(ann)).rejects.toThrow(HoldError)
      expect((await defacto.erasure.list()).map(({ status }) => status)).toEqual(['held', 'held'])

      expect(await defacto.holds.release(first.holdId)).toMatchObject({ hold: { holdId: first.holdId }, requests: [] })
      expect(await defacto.erasure.run([requestId])).toMatchObject([
        { status: 'held', waitingFor: [`hold:${second.holdId}`] },
      ])
      expect(await isThere(defacto, 'ann')).toBe(true)
      const { requests } = await defacto.holds.release(second.holdId)
      expect(requests).toContain(requestId)
      expect(await defacto.erasure.status(requestId)).toMatchObject({ status: 'approved', waitingFor: [] })
      expect(await defacto.erasure.run([requestId])).toMatchObject([{ status: 'closed' }])
      expect(await isThere(defacto, 'ann')).toBe(false)
      // They stay on record.
      expect(await defacto.holds.list()).toEqual([])
      expect((await defacto.holds.list({ all: true })).map(({ holdId }) => holdId)).toEqual([
        first.holdId,
        second.holdId,
      ])
      expect(await defacto.holds.release(second.holdId)).toMatchObject({ requests: [] })
      await expect(defacto.holds.release('h_0')).rejects.toThrow(NotFoundError)
    })

    test('keep everything that is merged into an entity, before or later, and what it is merged into', async () => {
      const defacto = await filled(await space().open())
      const [ann, bob, cat] = [await idOf(defacto, 'ann'), await idOf(defacto, 'bob'), await idOf(defacto, 'cat')]
      await defacto.holds.add({ entityId: bob, reason: 'a lawsuit' })
      await defacto.merge(bob, ann, { reason: 'one person' })
      await expect(defacto.erase(ann)).rejects.toThrow(HoldError)
      await expect(defacto.erase(bob)).rejects.toThrow(HoldError)
      await defacto.merge(ann, cat, { reason: 'one person' })
      await expect(defacto.erase(cat)).rejects.toThrow(HoldError)
      // One that is placed on who was merged away keeps the survivor.
      const all = await defacto.holds.list()
      await defacto.holds.release(all[0]?.holdId ?? '')
      await defacto.holds.add({ entityId: ann, reason: 'a lawsuit' })
      await expect(defacto.erase(cat)).rejects.toThrow(HoldError)
      expect(await isThere(defacto, 'bob')).toBe(true)
    })

    test('keep a type, or those of it that a filter names; who cannot be looked at is kept', async () => {
      const defacto = await filled(await space().open())
      // Somebody whom only an edge has named: there is no row of her.
      await defacto.ingest('web', [bought('kite', 'dan', 8)] as never)
      await defacto.build()
      const [ann, bob, dan] = [await idOf(defacto, 'ann'), await idOf(defacto, 'bob'), await idOf(defacto, 'dan')]
      const bike = await idOf(defacto, 'bike')
      const filter = { or: [{ plan: 'team' }, { seen: { gt: 100 } }] }
      const filtered = await defacto.holds.add({ entityType: 'person', filter, reason: 'audit of team plans' })
      expect(filtered.filter).toEqual(filter)
      await expect(defacto.erase(ann)).rejects.toThrow(HoldError)
      await expect(defacto.erase(dan)).rejects.toThrow(HoldError)
      expect(await defacto.erase(bob)).toMatchObject({ complete: true, entitiesErased: 1 })
      // Things are another type.
      const things = await defacto.holds.add({ entityType: 'thing', reason: 'inventory' })
      await expect(defacto.erase(bike)).rejects.toThrow(HoldError)
      await defacto.holds.release(things.holdId)
      expect(await defacto.erase(bike)).toMatchObject({ complete: true })
    })

    test('of a type look at who survived, not at those merged away', async () => {
      const defacto = await filled(await space().open())
      const [bob, cat] = [await idOf(defacto, 'bob'), await idOf(defacto, 'cat')]
      await defacto.merge(cat, bob, { reason: 'one person' })
      await defacto.holds.add({ entityType: 'person', filter: { plan: 'team' }, reason: 'audit' })
      expect(await defacto.erase(cat)).toMatchObject({ complete: true, entitiesErased: 2 })
    })

    test('end by themselves at their time', async () => {
      const place = space()
      const defacto = await filled(await place.open())
      const ann = await idOf(defacto, 'ann')
      const until = '2024-06-10T02:00:00+02:00'
      const hold = await defacto.holds.add({ entityId: ann, reason: 'a lawsuit', until })
      expect(hold.until).toBe('2024-06-10T00:00:00+00:00')
      await expect(defacto.erase(ann)).rejects.toThrow(HoldError)
      place.clock.set('2024-06-10T00:00:00Z')
      expect(await defacto.holds.list()).toEqual([])
      expect(await defacto.erasure.run()).toMatchObject([{ status: 'closed' }])
    })

    test('are refused where they cannot mean anything', async () => {
      const place = space()
      const defacto = await filled(await place.open())
      const entityId = await idOf(defacto, 'ann')
      const add = (hold: object): Promise<unknown> => defacto.holds.add({ reason: 'a lawsuit', ...hold })
      await expect(add({ entityId: 'nobody' })).rejects.toThrow(NotFoundError)
      await expect(add({ entityType: 'persn' })).rejects.toThrow(NotFoundError)
      await expect(add({ entityType: 'person', filter: { pln: 'gold' } })).rejects.toThrow(ConfigError)
      await expect(add({ entityType: 'person', filter: { plan: { is: 1 } } })).rejects.toThrow(ConfigError)
      await expect(add({ entityId, filter: { plan: 'team' } })).rejects.toThrow(ConfigError)
      await expect(add({ entityId, entityType: 'person' })).rejects.toThrow(ConfigError)
      await expect(add({})).rejects.toThrow(ConfigError)
      await expect(add({ entityId, reason: ' ' })).rejects.toThrow(ConfigError)
      await expect(add({ entityId, until: 'soon' })).rejects.toThrow(ConfigError)
      await expect(add({ entityId, until: '2024-05-31T00:00:00Z' })).rejects.toThrow(ConfigError)
      expect(await defacto.holds.list({ all: true })).toEqual([])
    })

    test('come too late once something was erased', async () => {
      const place = space()
      const defacto = await filled(await place.open())
      const [ann, bob] = [await idOf(defacto, 'ann'), await idOf(defacto, 'bob')]
      const late = (entityId: string): Promise<unknown> =>
        defacto.holds.add({ entityId, reason: 'a lawsuit' }).catch((error: { code: string }) => error.code)
      onTestFinished(() => hearFailpoints(null))
      const stop = (): void =>
        hearFailpoints((at) => {
          if (at === 'erase.committed') throw new Error('stopped behind the pivot')
        })
      for (const act of [() => defacto.redact(bob), () => defacto.erase(ann)]) {
        stop()
        await expect(act()).rejects.toThrow('stopped behind the pivot')
      }
      hearFailpoints(null)
      expect([await late(bob), await late(ann)]).toEqual(['E_PAST_PIVOT', 'E_PAST_PIVOT'])
      await defacto.erasure.run()
      // Of a person that was redacted the rest may be kept; of one that was erased there is none.
      expect(await late(bob)).toMatchObject({ entityId: bob })
      expect(await late(ann)).toBe('E_PAST_PIVOT')
    })

    test('and erasures of two processes never both succeed', async () => {
      const place = space()
      const [one, two] = [await filled(await place.open()), await place.open()]
      for (const mail of ['ann', 'bob', 'cat']) {
        const entityId = await idOf(one, mail)
        const [erased, held] = await Promise.allSettled([
          one.erase(entityId),
          two.holds.add({ entityId, reason: 'a lawsuit' }),
        ])
        expect([erased.status, held.status].sort(), mail).toEqual(['fulfilled', 'rejected'])
        expect(await isThere(two, mail)).toBe(held.status === 'fulfilled')
      }
    })
  })
}
