import '../support/small-units.ts'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Defacto } from '../../src/index.ts'
import { joined, openPeople, people, standing, used } from '../support/people.ts'
import { inFolder } from '../support/scenario.ts'

const lowerMail = { from: undefined, compute: 'str::to_lowercase(event.mail)' }

async function mails(engine: Defacto): Promise<unknown[]> {
  const found: unknown[] = []
  for await (const event of engine.ledger.scan()) found.push(event.data['mail'])
  return found
}

test('a reset that stops interpreting early concerns the whole ledger all the same', async () => {
  await inFolder(async (folder) => {
    const database = join(folder, 'd.db')
    const first = await openPeople(people(), { database })
    await first.ingest(
      'web',
      [1, 2, 3, 4].map((i) => joined(`M${i}`, i)),
      { process: true },
    )
    await first.close()
    await using second = await openPeople(people({ mailMapping: lowerMail }), { database })
    expect(await second.build({ untilSequence: 2 })).toMatchObject({ mode: 'FULL_RENORMALIZE', eventsProcessed: 2 })
    expect(await mails(second)).toEqual(['m1', 'm2', 'm3', 'm4'])
    expect(await second.build()).toMatchObject({ mode: 'INCREMENTAL', eventsProcessed: 2, entitiesCreated: 2 })
    const before = await standing(second)
    expect(await second.build({ fromRaw: true })).toMatchObject({ mode: 'FULL_RENORMALIZE', eventsProcessed: 4 })
    expect(await standing(second)).toEqual(before)
  })
})

test('ids stay although sources and identity rules change at once', async () => {
  await inFolder(async (folder) => {
    const database = join(folder, 'd.db')
    const first = await openPeople(people(), { database })
    await first.ingest(
      'web',
      [1, 2, 3].flatMap((i) => [joined(`M${i}`, i), used(`M${i}`, i + 5, i)]),
      { process: true },
    )
    const before = await standing(first)
    await first.close()
    const changed = people({ mail: { match: 'case_insensitive' }, mailMapping: { default: 'nobody' } })
    await using second = await openPeople(changed, { database })
    expect(await second.build()).toMatchObject({ mode: 'FULL_RENORMALIZE' })
    expect(await standing(second)).toEqual(before)
    expect(Object.keys(before)).toContain(await second.identity.lookup('m2'))
  })
})

test('events taken in by an older edition are renormalized before the newer one builds', async () => {
  await inFolder(async (folder) => {
    const database = join(folder, 'd.db')
    await using old = await openPeople(people(), { database })
    await old.ingest('web', [joined('M1', 1)], { process: true })
    await using young = await openPeople(people({ mailMapping: lowerMail }), { database })
    expect(await young.build()).toMatchObject({ mode: 'FULL_RENORMALIZE' })
    await old.ingest('web', [used('M1', 2, 1)])
    expect(await young.nextBuild()).toMatchObject({ mode: 'FULL_RENORMALIZE' })
    await young.build()
    expect(Object.values(await standing(young))).toEqual(['on 1'])
    expect(await mails(young)).toEqual(['m1', 'm1'])
    expect(await young.nextBuild()).toMatchObject({ mode: 'SKIP' })
  })
})

const plain = people()
const wider = people({ properties: { extra: { type: 'string' } } })

test('opening with activate always reads from a version that is complete', async () => {
  await inFolder(async (folder) => {
    const database = join(folder, 'd.db')
    const first = await openPeople(plain, { database, version: 'a' })
    await first.ingest('web', [joined('M1', 1)], { process: true })
    await first.close()
    const second = await openPeople(wider, { database, version: 'b' })
    await second.build()
    expect(await second.definitions.active()).toBe('b')
    await second.close()
    await using third = await openPeople(plain, { database, version: 'a', activate: 'always' })
    expect(await third.definitions.active()).toBe('a')
    expect((await third.table('person').first()) ?? {}).not.toHaveProperty('extra')
  })
})

test('activate switches although another process has changed the active version meanwhile', async () => {
  await inFolder(async (folder) => {
    const database = join(folder, 'd.db')
    await using first = await openPeople(plain, { database, version: 'a' })
    await first.ingest('web', [joined('M1', 1)], { process: true })
    await using second = await openPeople(wider, { database, version: 'b' })
    await second.build()
    expect(await first.definitions.active()).toBe('b')
    expect(await first.definitions.activate('a')).toMatchObject({ mode: 'SKIP' })
    expect(await second.definitions.active()).toBe('a')
  })
})

test('a tick that builds a new version leaves readers on it', async () => {
  await inFolder(async (folder) => {
    const database = join(folder, 'd.db')
    const first = await openPeople(plain, { database, version: 'a' })
    await first.ingest('web', [joined('M1', 1)], { process: true })
    await first.close()
    await using second = await openPeople(wider, { database, version: 'b' })
    await second.tick({ asOf: '2024-01-21' })
    expect(await second.definitions.active()).toBe('b')
    expect((await second.table('person').first()) ?? {}).toHaveProperty('extra')
  })
})

test('a failed activation changes nothing', async () => {
  await using engine = await openPeople(plain, { version: 'a' })
  await engine.ingest('web', [joined('M1', 1)], { process: true })
  await expect(engine.definitions.activate('nowhere')).rejects.toMatchObject({ code: 'E_NOT_FOUND' })
  expect(engine.activeVersion).toBe('a')
  expect(await engine.definitions.active()).toBe('a')
})
