/** Erasures beside each other and beside other work: batches, merges, shards, a store that does not answer. */
import { setImmediate } from 'node:timers/promises'
import { ListObjectVersionsCommand, PutObjectRetentionCommand } from '@aws-sdk/client-s3'
import { afterEach, describe, expect, test } from 'vitest'
import type { Defacto, DefactoOptions } from '../../src/index.ts'
import {
  ADA,
  ADA_VALUES,
  ADAS,
  answers,
  eraseDefinitions,
  idOf,
  OTHERS,
  openErase,
  sightings,
} from '../support/erase-world.ts'
import { describePostgres } from '../support/postgres.ts'
import { postgresPlace } from '../support/postgres-place.ts'
import { describeS3, type FreshBucket, freshBucket } from '../support/s3.ts'
import { s3Proxy } from '../support/s3-proxy.ts'
import { type Place, sqlitePlace } from '../support/scenario.ts'

const open: { engines: Defacto[]; places: Place[] } = { engines: [], places: [] }
afterEach(async () => {
  for (const engine of open.engines.splice(0)) await engine.close()
  for (const one of open.places.splice(0)) await one.dispose()
})
async function at(place: () => Promise<Place>): Promise<DefactoOptions> {
  const made = await place()
  open.places.push(made)
  return made.options
}
async function start(
  options: DefactoOptions,
  definitions: object = eraseDefinitions(),
  now?: string,
): Promise<Defacto> {
  const engine = await openErase(options, definitions, now)
  open.engines.push(engine)
  return engine
}
const ingest = (engine: Defacto, records: readonly object[], process = true) =>
  engine.ingest('crm', records as never, { process })

for (const { name, scope, place } of [
  { name: 'SQLite', scope: describe, place: sqlitePlace },
  { name: 'Postgres', scope: describePostgres, place: postgresPlace },
]) {
  scope(`erasures together in ${name}`, () => {
    test('two requests whose entities merged meanwhile: one erases both, the other finds nobody', async () => {
      const options = await at(place)
      const engine = await start(options)
      await ingest(engine, [...OTHERS, ADAS[0] as object, ADAS[1] as object])
      const both = [await idOf(engine, ADA.email), await idOf(engine, ADA.second)] as [string, string]
      const requests = []
      for (const entityId of both) {
        requests.push((await engine.erasure.request({ kind: 'erase', entityId })).request.requestId)
      }
      expect(new Set(requests).size).toBe(2)
      await ingest(engine, ADAS.slice(2), false)
      const done = await engine.erasure.run(requests)
      expect(done.map(({ status }) => status)).toEqual(['closed', 'closed'])
      const subjects = []
      for (const requestId of requests) subjects.push((await engine.erasure.certificate(requestId)).subject.entities)
      expect(subjects.sort()).toEqual([0, 2])
      expect(await sightings(options)).toEqual([])
    })

    test('a merge by hand goes with the person it names, and an erased one is nobody to merge', async () => {
      const options = await at(place)
      const engine = await start(options)
      await ingest(engine, [...OTHERS, ADAS[0] as object, ADAS[1] as object])
      const both = [await idOf(engine, ADA.email), await idOf(engine, ADA.second)] as [string, string]
      const bob = (await idOf(engine, 'bob@other.example')) as string
      await engine.merge(both[0], both[1], { reason: 'the same person' })
      const result = await engine.erase(both[0])
      expect(result).toMatchObject({ entitiesErased: 2, complete: true })
      expect(await sightings(options, [...ADA_VALUES, 'the same person'])).toEqual([])
      expect(await engine.merge(both[1], bob, { reason: 'late' })).toMatchObject({ noop: 'unknown-source' })
      const before = await answers(engine, [])
      await engine.build({ fromRaw: true })
      expect(await answers(engine, [])).toEqual(before)
    })

    test('many at once, while another handle ingests and builds', { timeout: 120_000 }, async () => {
      const options = await at(place)
      const engine = await start(options)
      const people = Array.from({ length: 40 }, (_, n) => ({
        kind: 'met',
        n: `p${n}`,
        at: '2024-02-01T00:00:00Z',
        contact: { mail: `many.${n}@erase.example`, name: `Many ${n}` },
      }))
      await ingest(engine, [...OTHERS, ...people])
      const other = await start(options)
      const gone = people.slice(0, 25)
      const requests: string[] = []
      for (const { contact } of gone) {
        const entityId = (await idOf(engine, contact.mail)) as string
        requests.push((await engine.erasure.request({ kind: 'erase', entityId })).request.requestId)
      }
      const busy = (async () => {
        for (let round = 0; round < 5; round += 1) {
          await ingest(other, ADAS.slice(round, round + 1), false)
          await patiently(() => other.build({ full: round % 2 === 0 }))
        }
      })()
      const [done] = await Promise.all([engine.erasure.run(requests), busy])
      expect(done.filter(({ status }) => status !== 'closed')).toEqual([])
      await patiently(() => engine.build())
      for (const { contact } of gone) expect(await idOf(engine, contact.mail)).toBeUndefined()
      for (const { contact } of people.slice(25)) expect(await idOf(engine, contact.mail)).toBeDefined()
      const values = gone.slice(0, 9).flatMap(({ contact }) => [contact.mail, `"${contact.name}"`])
      expect(await sightings(options, values)).toEqual([])
      // What is there is what a replay of the ledger gives.
      const before = await answers(engine, [])
      await engine.build({ full: true })
      expect(await answers(engine, [])).toEqual(before)
    })
  })
}

describePostgres('erasing with shards', () => {
  test('one shard erases whom another has in memory', async () => {
    const options = { ...(await at(postgresPlace)), catchUp: false }
    const shards: Defacto[] = []
    for (const shardId of [0, 1]) shards.push(await start({ ...options, shardId, totalShards: 2 }))
    const settle = async (): Promise<void> => {
      for (let idle = 0; idle < 2; ) {
        idle = 0
        for (const engine of shards) {
          if ((await engine.nextBuild()).mode === 'SKIP') idle += 1
          else await engine.build()
        }
      }
    }
    const [first, second] = shards as [Defacto, Defacto]
    await ingest(first, [...OTHERS, ...ADAS], false)
    await settle()
    const id = (await idOf(first, ADA.email)) as string
    const before = await answers(first, [id, ...(await losers(first, id))])
    const result = await first.erase(id)
    expect(result).toMatchObject({ complete: true, eventsScrubbed: 2 })
    expect(await answers(second, [])).toEqual(before)
    // Whoever has something of hers in memory works on from what is stored.
    await ingest(second, [
      { kind: 'deal', n: 'x1', at: '2024-02-02T00:00:00Z', buyer: 'bob@other.example', vat: 'DE1', amount: 3 },
      { kind: 'met', n: 'x2', at: '2024-02-02T00:00:00Z', contact: { mail: 'bob@other.example', name: 'Bob' } },
    ])
    await settle()
    expect(await sightings(options)).toEqual([])
    const after = await answers(first, [])
    for (const engine of shards) await engine.build({ full: true })
    await settle()
    expect(await answers(first, [])).toEqual(after)
  })
})

async function losers(engine: Defacto, id: string): Promise<string[]> {
  return (await engine.identity.merges(id)).map(({ mergedEntity }) => mergedEntity)
}

describeS3('erasing while the archive cannot be reached', () => {
  test('the database forgets at once, the request waits for the store, and is finished later', async () => {
    const bucket = await freshBucket({ versioned: true })
    const proxy = await s3Proxy(bucket.options.endpoint ?? '')
    try {
      const place = await at(sqlitePlace)
      const storage = { endpoint: proxy.endpoint, attempts: 2, silenceMs: 2_000 }
      const options: DefactoOptions = { ...place, coldLedger: { url: `${bucket.url}/cold`, storage } }
      const engine = await start(options)
      await ingest(engine, [...OTHERS, ...ADAS])
      await engine.ledger.tiers.flush()
      const id = (await idOf(engine, ADA.email)) as string
      const before = await answers(engine, [id, ...(await losers(engine, id))])

      proxy.decide = () => ({ cut: 'before' })
      const result = await engine.erase(id)
      expect(result).toMatchObject({ complete: false, pending: ['cold'], certificateId: null, entitiesErased: 1 })
      expect(await engine.erasure.status(result.requestId as string)).toMatchObject({
        status: 'store_pending',
        waitingFor: ['store:cold'],
        retryAt: '2024-03-01T00:01:00+00:00',
      })
      expect(await answers(engine, [])).toEqual(before)
      await expect(engine.erase(id, { strict: true })).rejects.toMatchObject({ code: 'E_ERASE_INCOMPLETE' })
      await engine.close()

      // Not yet time to ask again, then it is.
      proxy.decide = () => null
      const early = await start(options)
      expect((await early.erasure.status(result.requestId as string)).status).toBe('store_pending')
      await early.close()
      const late = await start(options, eraseDefinitions(), '2024-03-01T02:00:00Z')
      expect((await late.erasure.status(result.requestId as string)).status).toBe('closed')
      const certificate = await late.erasure.certificate(result.requestId as string)
      expect(certificate.stores.find(({ store }) => store === 'cold')).toMatchObject({
        action: 'rewritten',
        verified: { method: 'scan', remaining: 0 },
      })
      expect(await sightings(options)).toEqual([])
      await late.close()
    } finally {
      await proxy[Symbol.asyncDispose]()
      await bucket.drop()
    }
  })
})

describeS3('erasing from an archive whose objects are locked', () => {
  test('nothing is certified before the files are gone, and the reason is told', async () => {
    const bucket = await freshBucket({ versioned: true, lockable: true })
    try {
      const place = await at(sqlitePlace)
      const options: DefactoOptions = {
        ...place,
        coldLedger: { url: `${bucket.url}/cold`, storage: { endpoint: bucket.options.endpoint ?? '', attempts: 4 } },
      }
      const engine = await start(options)
      await ingest(engine, [...OTHERS, ...ADAS])
      await engine.ledger.tiers.flush()
      const lock = await lockData(bucket)
      const id = (await idOf(engine, ADA.email)) as string
      const result = await engine.erase(id)
      expect(result).toMatchObject({ complete: false, pending: ['cold'] })
      const requestId = result.requestId as string
      const { stores } = await engine.erasure.status(requestId)
      expect(stores['cold']).toMatchObject({ state: 'pending', error: 'E_COLD_KEPT' })
      expect(stores['cold']?.outstanding[0]).toMatchObject({ store: 'cold' })
      await lock.release()
      expect((await engine.erasure.run([requestId]))[0]?.status).toBe('closed')
      await engine.close()
    } finally {
      await bucket.drop()
    }
  })
})

/** Keeps every data file there is from being removed. */
async function lockData(bucket: FreshBucket): Promise<{ release(): Promise<void> }> {
  const { client, name: Bucket } = bucket
  const { Versions = [] } = await client.send(new ListObjectVersionsCommand({ Bucket, Prefix: 'cold/data/' }))
  if (Versions.length === 0) throw new Error('no data files to lock')
  for (const { Key, VersionId } of Versions) {
    const Retention = { Mode: 'GOVERNANCE' as const, RetainUntilDate: new Date(Date.now() + 86_400_000) }
    await client.send(new PutObjectRetentionCommand({ Bucket, Key, VersionId, Retention }))
  }
  return {
    async release() {
      for (const { Key, VersionId } of Versions) {
        const over = { Bucket, Key, VersionId, BypassGovernanceRetention: true }
        await client.send(new PutObjectRetentionCommand({ ...over, Retention: {} }))
      }
    },
  }
}

async function patiently(work: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await work()
      return
    } catch (error) {
      if ((error as { code?: string }).code !== 'E_LOCK_HELD') throw error
    }
    // SQLite answers at once: others of this process have their turn.
    await setImmediate()
  }
}
