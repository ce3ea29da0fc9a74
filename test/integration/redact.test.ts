/** Redaction (spec 05 §5): values go from every store, persons and their histories stay. */
import { afterEach, expect, it } from 'vitest'
import { hearFailpoints } from '../../src/engine/failpoint.ts'
import type { Defacto } from '../../src/index.ts'
import { ANN, PLACES, type Place, partition, START, shop, signUps, skeleton } from '../support/redaction.ts'

const places: Place[] = []
afterEach(async () => {
  for (const place of places.splice(0)) await place.remove()
})

const row = async (space: Defacto, id: string): Promise<Record<string, unknown>> =>
  ((await space.table('customer').rows()) as unknown as Record<string, unknown>[]).find(
    (one) => one['customer_id'] === id,
  ) ?? {}

for (const { name, describe, place: make } of PLACES) {
  describe(`redaction on ${name}`, () => {
    async function begin(
      definitions: object = shop(),
      records = signUps(),
    ): Promise<{ place: Place; space: Defacto; ann: string }> {
      const place = await make()
      places.push(place)
      const space = await place.open(definitions)
      await space.ingest('app', records, { process: true })
      await place.age(space)
      return { place, space, ann: (await space.identity.lookup('ann.q9@canary.example')) as string }
    }

    it('treats every property by its treatment, wherever its values came from, and keeps the history', async () => {
      const { place, space, ann } = await begin()
      const [before, groups, orders] = [
        await skeleton(space),
        await partition(space, 'customer'),
        await partition(space, 'order'),
      ]
      const result = await space.redact(ann, { details: true })
      expect(result).toMatchObject({ events: 5, complete: true, pending: [] })
      expect(await place.leaks()).toEqual([])
      expect(await row(space, ann)).toMatchObject({
        email: expect.stringMatching(/^[0-9a-f]{64}$/),
        phone: '***********1234',
        name: '[REDACTED]',
        born: null,
        income: null,
        tier: 'gold',
        greeting: 'Dear [REDACTED]',
      })
      expect(await skeleton(space)).toEqual(before)
      expect(await partition(space, 'customer')).toEqual(groups)
      expect(await partition(space, 'order')).toEqual(orders)
      // No key was added, and what is not the person's stays.
      const [first] = await space.ledger.eventsFor(ann)
      const event = await space.ledger.event({ sequence: first?.sequence ?? 0 })
      expect(Object.keys(event?.raw as object)).toEqual([
        'n',
        'kind',
        'at',
        'contact',
        'tel',
        'first',
        'last',
        'dob',
        'salary',
        'account',
      ])
      expect(event?.raw).toMatchObject({
        n: 1,
        contact: { note: 'x' },
        account: 'a1',
        first: '[REDACTED]',
        salary: null,
      })
      expect(await space.redact(ann)).toBe(0)
    })

    it('keeps two redacted persons apart, whatever is built anew', async () => {
      const { place, space, ann } = await begin()
      const bob = (await space.identity.lookup('bob@shop.example')) as string
      const groups = await partition(space, 'customer')
      const orders = await partition(space, 'order')
      expect(await space.redact(ann)).toBe(5)
      expect(await space.redact(bob)).toBe(2)
      const values = [...ANN, 'bob@shop.example', 'Bob', '555-0001']
      const expectSame = async (open: Defacto): Promise<void> => {
        expect(await partition(open, 'customer')).toEqual(groups)
        expect(await partition(open, 'order')).toEqual(orders)
        expect(await place.leaks(values)).toEqual([])
      }
      await expectSame(space)
      for (const options of [{ full: true }, { fromRaw: true }]) {
        expect((await space.build(options)).failures).toEqual([])
        await expectSame(space)
      }
      await space.close()
      const again = await place.open()
      await expectSame(again)
      // Other identity rules: everybody is found anew.
      const changed = JSON.parse(JSON.stringify(shop())) as { entities: { customer: { identity: { email: object } } } }
      changed.entities.customer.identity.email = { match: 'exact', normalize: 'str::to_lowercase(str::trim(value))' }
      const reset = await place.open(changed)
      const built = await reset.build()
      expect(built).toMatchObject({ failures: [], mergesDetected: 0 })
      expect(await partition(reset, 'customer')).toEqual(groups)
      expect(await place.leaks(values)).toEqual([])
    })

    it('later events reach the person, and are treated on arrival', async () => {
      const { place, space, ann } = await begin()
      await space.redact(ann)
      await space.ingest(
        'app',
        [
          {
            n: 11,
            kind: 'signed_up',
            at: START + 11,
            contact: { mail: 'ANN.q9@canary.example ' },
            tel: '+49-77-00019999',
            first: 'Annabella',
            last: 'Quittenbaum',
            dob: '1980-02-03',
          },
          { n: 12, kind: 'upgraded', at: START + 12, tel: '+49-77-00019999', tier: 'platinum', salary: 12345.5 },
          { n: 14, kind: 'upgraded', at: START + 12, account: 'a1', tier: 'platinum', salary: 12345.5 },
          { n: 13, kind: 'ordered', at: START + 13, no: 'o9', by: 'ann.q9@canary.example', total: 9 },
        ],
        { process: true },
      )
      expect(await place.leaks()).toEqual([])
      expect(await space.table('customer').count()).toBe(3)
      expect(await row(space, ann)).toMatchObject({ tier: 'platinum', phone: '***********1234' })
      expect(await space.identity.lookup('+49-77-00019999')).toBe(ann)
      expect((await space.build({ fromRaw: true })).failures).toEqual([])
      expect(await space.table('customer').count()).toBe(3)
      expect(await place.leaks()).toEqual([])
      // One that was there before is a repeat.
      expect(await space.ingest('app', signUps().slice(0, 1))).toMatchObject({
        eventsIngested: 0,
        duplicatesSkipped: 1,
      })
    })

    it('without sticky later events keep what they say, and reach the person all the same', async () => {
      const { place, space, ann } = await begin()
      await space.redact(ann, { sticky: false })
      expect(await place.leaks()).toEqual([])
      const late = { n: 11, kind: 'seen', at: START + 11, mail: 'ann.q9@canary.example', tel: '+49-77-00011234' }
      await space.ingest('app', [late], { process: true })
      expect(await space.table('customer').count()).toBe(3)
      expect((await space.ledger.eventsFor(ann)).length).toBe(5)
      expect(await space.identity.hints(ann)).toMatchObject({ email: [expect.stringMatching(/^[0-9a-f]{64}$/)] })
      for (const options of [{ full: true }, { fromRaw: true }]) {
        await space.build(options)
        expect(await space.table('customer').count()).toBe(3)
        expect(await space.identity.lookup('ann.q9@canary.example')).toBe(ann)
      }
      expect(await space.redact(ann)).toBe(1)
      expect(await place.leaks()).toEqual([])
    })

    it('guards that read a treated value change nothing that has happened', async () => {
      const definitions = shop({}, [], { guard: 'event.income > 1000' })
      const { place, space, ann } = await begin(definitions)
      const before = await skeleton(space)
      expect(await row(space, ann)).toMatchObject({ customer_state: 'gold' })
      expect(await space.redact(ann)).toBe(5)
      expect(await skeleton(space)).toEqual(before)
      expect(await place.leaks()).toEqual([])
      await space.ingest('app', [{ n: 11, kind: 'upgraded', at: START + 11, account: 'a1', tier: 'platinum' }], {
        process: true,
      })
      expect(await row(space, ann)).toMatchObject({ customer_state: 'gold', tier: 'platinum', name: '[REDACTED]' })
    })

    it('properties accept treated values that their rules exclude', async () => {
      const limited = {
        name: { type: 'string', sensitive: 'pii', allowed: ['Annabella Quittenbaum', 'Bob Jones', 'Cleo Jones'] },
        income: { type: 'number', sensitive: 'pii', min: 1, max: 99999 },
      }
      const { place, space, ann } = await begin(shop(limited))
      await space.redact(ann)
      expect((await space.build({ fromRaw: true })).failures).toEqual([])
      expect(await row(space, ann)).toMatchObject({ name: '[REDACTED]', income: null, tier: 'gold' })
      expect((await place.leaks()).filter((leak) => !leak.includes('definition_versions'))).toEqual([])
    })

    it('merges and erasures find redacted persons, and redaction finds merged ones', async () => {
      const { place, space, ann } = await begin()
      const bob = (await space.identity.lookup('bob@shop.example')) as string
      const cleo = (await space.identity.lookup('cleo@shop.example')) as string
      await space.redact(ann)
      await space.merge(bob, ann, { reason: 'the same person' })
      const merged = await partition(space, 'customer')
      expect(merged).toHaveLength(2)
      for (const options of [{ full: true }, { fromRaw: true }]) {
        await space.build(options)
        expect((await partition(space, 'customer')).length).toBe(2)
      }
      expect(await place.leaks()).toEqual([])
      const survivor = (await space.identity.lookup('ann.q9@canary.example')) as string
      expect(await space.redact(bob)).toBeGreaterThan(0)
      expect(await place.leaks([...ANN, 'bob@shop.example', 'Bob', '555-0001'])).toEqual([])
      expect(await space.identity.lookup('bob@shop.example')).toBe(survivor)
      const erased = await space.erase(ann)
      expect(erased).toMatchObject({ entitiesErased: 2, complete: true })
      expect(await space.identity.lookup('ann.q9@canary.example')).toBeUndefined()
      await space.ingest('app', [{ n: 21, kind: 'seen', at: START + 21, mail: 'ann.q9@canary.example' }], {
        process: true,
      })
      const fresh = await space.identity.lookup('ann.q9@canary.example')
      expect(fresh).toBeDefined()
      expect([ann, bob, cleo]).not.toContain(fresh)
      expect(await space.table('customer').count()).toBe(2)
    })

    it('every version loses what any of them calls sensitive', async () => {
      const { place, space, ann } = await begin(shop({ name: { type: 'string' }, greeting: { type: 'string' } }))
      await space.close()
      const next = await place.open(
        shop({ income: { type: 'number' }, born: { type: 'datetime', sensitive: 'pii', treatment: 'mask' } }),
      )
      await next.build()
      await place.age(next)
      await next.redact(ann)
      expect(await place.leaks()).toEqual([])
      expect(await next.definitions.versions()).toHaveLength(2)
    })

    it('a full build that was interrupted finishes without the values, and with everybody', async () => {
      const { place, space, ann } = await begin()
      const groups = await partition(space, 'customer')
      let reached = 0
      hearFailpoints((point) => {
        if (point === 'shadow.committed' && ++reached === 1) throw new Error('stopped here')
      })
      await expect(space.build({ full: true })).rejects.toThrow('stopped here')
      hearFailpoints(null)
      await space.redact(ann)
      expect(await place.leaks()).toEqual([])
      expect(await space.build({ full: true })).toMatchObject({ mode: 'FULL', failures: [] })
      expect(await place.leaks()).toEqual([])
      expect(await partition(space, 'customer')).toEqual(groups)
    })

    it('nobody, and types without sensitive properties, are no request', async () => {
      const { space } = await begin()
      expect(await space.redact('00000000-0000-0000-0000-000000000000')).toBe(0)
      const order = (await space.identity.lookup('o1')) as string
      expect(await space.redact(order, { details: true })).toMatchObject({ requestId: null, events: 0 })
      expect(await space.erasure.list()).toEqual([])
    })

    it('a space keeps the key it was redacted with', async () => {
      const place = await make()
      places.push(place)
      const key = 'a key of at least sixteen letters'
      const space = await place.open(shop(), { redactionKey: key })
      await space.ingest('app', signUps(), { process: true })
      await space.redact((await space.identity.lookup('ann.q9@canary.example')) as string)
      await space.close()
      for (const redactionKey of [undefined, `${key}!`]) {
        const wrong = place.open(shop(), redactionKey === undefined ? {} : { redactionKey })
        await expect(wrong).rejects.toMatchObject({ name: 'ConfigError', code: 'E_CONFIG_REDACTION_KEY' })
      }
      const again = await place.open(shop(), { redactionKey: new TextEncoder().encode(key) })
      expect(await again.identity.lookup('ann.q9@canary.example')).toBeDefined()
      expect(await place.leaks([key])).toEqual([])
    })
  })
}
