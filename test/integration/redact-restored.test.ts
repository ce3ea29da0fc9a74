/** What was redacted stays so when the database is lost and comes back from the archive (spec 05 §5.3). */
import { rmSync } from 'node:fs'
import { afterEach, expect, test } from 'vitest'
import { Defacto } from '../../src/index.ts'
import { ANN, PLACES, type Place, partition, START, shop, signUps } from '../support/redaction.ts'

const places: Place[] = []
afterEach(async () => {
  for (const place of places.splice(0)) await place.remove()
})

test('tokens are known again, and later events are treated', async () => {
  const kind = PLACES.find(({ name }) => name === 'SQLite with an archive')
  const place = await kind?.place()
  if (place === undefined) throw new Error('there is no such place')
  places.push(place)
  const more = { redactionKey: 'kept outside of the database' }
  const space = await place.open(undefined, more)
  await space.ingest('app', signUps(), { process: true })
  const ann = (await space.identity.lookup(ANN[0] as string)) as string
  const people = (await partition(space, 'customer')).length
  await space.redact(ann)
  await space.ledger.tiers.flush()
  await space.close()
  for (const end of ['', '-wal', '-shm']) rmSync(`${place.options.database}${end}`, { force: true })

  await Defacto.restore(shop() as never, { ...place.options, ...more })
  const again = await place.open(undefined, more)
  expect((await again.build()).failures).toEqual([])
  expect((await partition(again, 'customer')).length).toBe(people)
  expect(await place.leaks()).toEqual([])
  const found = await again.identity.lookup(ANN[0] as string)
  expect(found).toBeDefined()
  const later = { n: 21, kind: 'signed_up', at: START + 21, contact: { mail: ANN[1] }, first: 'Annabella' }
  await again.ingest('app', [{ ...later, last: 'Quittenbaum', tel: '+49-77-00011234', dob: '1980-02-03' }], {
    process: true,
  })
  expect(await place.leaks()).toEqual([])
  expect(await again.identity.lookup(ANN[0] as string)).toBe(found)
  expect((await partition(again, 'customer')).length).toBe(people)
})
