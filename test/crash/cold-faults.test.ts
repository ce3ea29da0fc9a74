/** A space whose store fails: what passes costs nothing but time, what stays is said, and nothing is lost or doubled. */
import { cpSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DeleteObjectCommand, GetObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Defacto, StorageError } from '../../src/index.ts'
import { describeJudged, Judge } from '../support/delta-judge.ts'
import { describeS3, type FreshBucket, freshBucket } from '../support/s3.ts'
import { type Fault, refusal, type S3Proxy, type S3Request, s3Proxy } from '../support/s3-proxy.ts'
import { Ground } from './cold-ground.ts'
import { SQLITE } from './places.ts'
import { EDITIONS, type Expected, expectedOf, type Workshop, workshop } from './shop-job.ts'

const [first, , third] = EDITIONS as unknown as [never, never, never]
const COUNT = 120
const HALF = 60

let shop: Workshop
let expected: Expected
let bucket: FreshBucket
beforeAll(async () => {
  shop = workshop(COUNT, 9)
  expected = expectedOf(shop.records, first, first)
})
afterAll(() => shop.remove())

const isData = ({ object }: S3Request): boolean => object.includes('/data/')
const isCommit = ({ object }: S3Request): boolean => /_delta_log\/\d{20}\.json$/.test(object)

/** Half of the records are archived, and none of them is in the database any more; the way to the store is fine. */
interface Scene {
  readonly ground: Ground
  readonly proxy: S3Proxy
  readonly name: string
}

async function scene(name: string): Promise<Scene> {
  const proxy = await s3Proxy(bucket.options.endpoint ?? '')
  const coldLedger = {
    url: `${bucket.url}/${name}`,
    storage: { endpoint: proxy.endpoint, attempts: 3, silenceMs: 2_000 },
  }
  const ground = new Ground(shop, await SQLITE.place(shop.folder, name), coldLedger)
  await ground.ingest(0, HALF)
  await ground.archive()
  return { ground, proxy, name }
}

async function end({ ground, proxy }: Scene, outcome = expected): Promise<void> {
  proxy.decide = () => null
  await ground.end(outcome)
  await proxy[Symbol.asyncDispose]()
}

/** Keys of the data files, in the order of their rows. */
async function dataKeys({ name }: Scene): Promise<string[]> {
  const Prefix = `${name}/data/`
  const { Contents = [] } = await bucket.client.send(new ListObjectsV2Command({ Bucket: bucket.name, Prefix }))
  return Contents.map(({ Key }) => Key as string).sort()
}

const full = (engine: Defacto) => engine.build({ full: true })
const flush = (engine: Defacto) => engine.ledger.tiers.flush()
const prune = (engine: Defacto) => engine.ledger.tiers.prune()

async function failure(work: Promise<unknown>): Promise<StorageError> {
  const error = await work.then(
    () => new Error('nothing failed'),
    (thrown: Error) => thrown,
  )
  expect(error).toBeInstanceOf(StorageError)
  return error as StorageError
}

describeS3('a store', () => {
  beforeAll(async () => {
    bucket = await freshBucket()
  })
  afterAll(() => bucket.drop())

  test.each<[string, (request: S3Request) => Fault | null]>([
    ['overloaded now and then', ({ time }) => (time === 1 ? refusal(503, 'SlowDown') : null)],
    ['with broken connections', ({ time }) => (time === 1 ? { cut: 'after' } : null)],
    ['silent at its data', (request) => (isData(request) && request.time === 1 ? 'silence' : null)],
  ])('%s is only slower', async (name, fault) => {
    const here = await scene(name.replaceAll(' ', '-'))
    const { ground, proxy } = here
    let faults = 0
    proxy.decide = (request) => {
      const chosen = fault(request)
      if (chosen !== null) faults += 1
      return chosen
    }
    await ground.ingest(HALF, COUNT)
    await ground.archive(20)
    ground.definitions = third
    await ground.during((engine) => engine.build())
    await ground.during(full)
    expect(faults).toBeGreaterThan(3)
    await end(here, expectedOf(shop.records, first, third))
  })

  test.each<[string, (request: S3Request) => boolean, (engine: Defacto) => Promise<unknown>]>([
    ['an upload', (request) => isData(request) && request.method === 'PUT', flush],
    ['a commit', (request) => isCommit(request) && request.method === 'PUT', flush],
    ['reading back', (request) => isData(request) && request.method === 'GET', flush],
    ['reading the table', ({ operation }) => operation === 'ListObjectsV2', flush],
    ['confirming', (request) => isData(request) && request.method === 'GET', prune],
    ['a build', (request) => isData(request) && request.method === 'GET', full],
  ])('that is down at %s: the call fails with the object, and succeeds afterwards', async (what, concerns, work) => {
    const here = await scene(`down-${what.replaceAll(' ', '-')}-${work.name}`)
    const { ground, proxy } = here
    await ground.ingest(HALF, COUNT)
    if (work === prune) await ground.during(flush)
    await ground.during(async (engine) => {
      for (const fault of [refusal(503, 'ServiceUnavailable'), { cut: 'before' } as const]) {
        proxy.decide = (request) => (concerns(request) ? fault : null)
        const error = await failure(work(engine))
        expect(error).toMatchObject({
          recoverable: true,
          details: { object: expect.stringMatching(/data|_delta_log/) },
        })
        expect(error.message).toMatch(/'(data|_delta_log)\/?.*(overloaded or failing|no answer from).*try again/)
      }
      // What needs no archived row goes on.
      await engine.ingest('kiosk', shop.records.slice(0, 5), { throwIfAllFail: false })
      proxy.decide = () => null
      await work(engine)
    })
    await end(here)
  })

  test('that refuses: expired credentials pass, a policy does not, and both are named', async () => {
    const here = await scene('refuses')
    const { ground, proxy } = here
    await ground.ingest(HALF, COUNT)
    await ground.during(async (engine) => {
      const refused = async (fault: Fault): Promise<StorageError[]> => {
        proxy.decide = (request) => (isData(request) ? fault : null)
        return [await failure(flush(engine)), await failure(full(engine))]
      }
      for (const error of await refused(refusal(403, 'ExpiredToken'))) {
        expect(error).toMatchObject({ recoverable: true, details: { object: expect.stringMatching(/^data\//) } })
        expect(error.message).toMatch(/'data\/.*credentials have expired.*renew them/)
      }
      for (const error of await refused(refusal(403, 'AccessDenied'))) {
        expect(error).toMatchObject({ recoverable: false, details: { object: expect.stringMatching(/^data\//) } })
        expect(error.message).toMatch(/'data\/.*access is denied.*policy must allow/)
      }
      proxy.decide = () => null
      await flush(engine)
      await full(engine)
    })
    await end(here)
  })

  test('that denies deletes: vacuum says what is left and why, all else goes on', async () => {
    const here = await scene('denies')
    const { ground, proxy } = here
    proxy.decide = ({ operation }) => (/^DeleteObject/.test(operation) ? refusal(403, 'AccessDenied') : null)
    await ground.ingest(HALF, COUNT)
    await ground.archive(10)
    await ground.during(async (engine) => {
      const { tiers } = engine.ledger
      expect(await tiers.compact()).toEqual({ before: 2, after: 1 })
      const replaced = (await dataKeys(here)).length - 1
      const { removed, pending } = await tiers.vacuum({ retentionMs: 0 })
      expect({ removed, pending: pending.length }).toEqual({ removed: 0, pending: replaced })
      for (const { path, reason } of pending) {
        expect(path).toMatch(/^data\//)
        expect(reason).toContain('allow s3:DeleteObject')
      }
      await full(engine)
      proxy.decide = () => null
      expect(await tiers.vacuum({ retentionMs: 0 })).toMatchObject({ removed: replaced, pending: [] })
      await full(engine)
    })
    await end(here)
  })

  test('with a file that is gone or damaged: it is named with the way out, and bringing it back heals', async () => {
    const here = await scene('rot')
    const { ground } = here
    await ground.ingest(HALF, COUNT)
    await ground.archive()
    const known = await ground.known()
    const Bucket = bucket.name
    const [Key] = (await dataKeys(here)) as [string]
    const { Body } = await bucket.client.send(new GetObjectCommand({ Bucket, Key }))
    const whole = (await Body?.transformToByteArray()) as Uint8Array
    const damaged = Uint8Array.from(whole).fill(0x5a, 100, whole.length - 300)
    const path = Key.slice('rot/'.length)
    for (const spoil of [
      () => bucket.client.send(new DeleteObjectCommand({ Bucket, Key })),
      () => bucket.client.send(new PutObjectCommand({ Bucket, Key, Body: damaged })),
    ]) {
      await spoil()
      await ground.during(async (engine) => {
        const error = await failure(full(engine))
        expect(error.recoverable).toBe(false)
        expect(error.message).toContain(`'${path}'`)
        expect(error.message).toMatch(/[Rr]estore it from a backup/)
        const { problems } = await engine.ledger.tiers.verify()
        expect(problems.map((one) => one.path)).toEqual([path])
      })
      // What was built stays readable.
      expect(await ground.known().catch((thrown: Error) => thrown.message)).toContain(path)
      await bucket.client.send(new PutObjectCommand({ Bucket, Key, Body: whole }))
      expect(await ground.known()).toEqual(known)
      await ground.during(full)
    }
    await end(here)
  })

  test('in which the table is deleted under way: nothing leaves the database, and the loss is said', async () => {
    const here = await scene('deleted')
    const { ground, proxy, name } = here
    await ground.ingest(HALF, COUNT)
    const copies = new Map<string, Uint8Array>()
    const { Contents = [] } = await bucket.client.send(
      new ListObjectsV2Command({ Bucket: bucket.name, Prefix: `${name}/` }),
    )
    for (const { Key = '' } of Contents) {
      const { Body } = await bucket.client.send(new GetObjectCommand({ Bucket: bucket.name, Key }))
      copies.set(Key, (await Body?.transformToByteArray()) as Uint8Array)
    }
    const remove = async (): Promise<void> => {
      for (const Key of copies.keys()) await bucket.client.send(new DeleteObjectCommand({ Bucket: bucket.name, Key }))
    }
    await ground.during(async (engine) => {
      const hot = (await engine.ledger.tiers.status()).hotRows
      await remove()
      for (const work of [flush, prune]) {
        await expect(work(engine)).rejects.toMatchObject({
          code: 'E_COLD_FOREIGN',
          recoverable: false,
          message: expect.stringContaining('no archive'),
        })
      }
      for (const [Key, Body] of copies) {
        await bucket.client.send(new PutObjectCommand({ Bucket: bucket.name, Key, Body }))
      }
      // This time in the middle of a flush: just before its first upload.
      let removed: Promise<void> | null = null
      proxy.decide = (request) => {
        if (!isData(request) || request.method !== 'PUT') return null
        removed ??= remove()
        return { until: removed }
      }
      await flush(engine).catch((error: unknown) => expect(error).toBeInstanceOf(StorageError))
      proxy.decide = () => null
      await expect(prune(engine)).rejects.toBeInstanceOf(StorageError)
      const { hotRows } = await engine.ledger.tiers.status().catch(() => ({ hotRows: hot }))
      expect(hotRows).toBe(hot)
    })
    await expect(ground.open()).rejects.toBeInstanceOf(StorageError)
    for (const [Key, Body] of copies) {
      await bucket.client.send(new PutObjectCommand({ Bucket: bucket.name, Key, Body }))
    }
    await end(here)
  })
})

describeJudged('another program that writes to the table', () => {
  test('between two flushes: rows of its own are not taken for ours, and ours that it removes are missed', async () => {
    await using judge = new Judge()
    const cold = join(shop.folder, 'judged-cold')
    mkdirSync(cold)
    const ground = new Ground(shop, await SQLITE.place(shop.folder, 'judged'), cold)
    await ground.ingest(0, HALF)
    await ground.archive(10)
    // Beyond everything that there is: the ledger does not take it for its own.
    await judge.append(cold, 100_001, 100_005)
    await ground.ingest(HALF, COUNT)
    await ground.archive(10)
    await ground.during(full)
    await ground.during(async (engine) => {
      const { tiers } = engine.ledger
      const { head } = await tiers.status()
      expect(await tiers.status()).toMatchObject({ flushed: head })
      expect((await tiers.verify()).problems).not.toEqual([])
    })
    await judge.delete(cold, 'sequence > 100000')
    const problems = (): Promise<readonly { problem: string }[]> =>
      ground.during(async (engine) => (await engine.ledger.tiers.verify()).problems)
    expect(await problems()).toEqual([])

    // Rows of ours: a copy of what was there before brings them back.
    const copy = `${cold}-copy`
    cpSync(cold, copy, { recursive: true })
    await judge.delete(cold, 'sequence = 7')
    expect(await problems()).toEqual([expect.objectContaining({ problem: expect.stringMatching(/sequences/) })])
    await expect(ground.during(full)).rejects.toMatchObject({ code: 'E_COLD_INCOMPLETE' })
    rmSync(cold, { recursive: true })
    cpSync(copy, cold, { recursive: true })
    await ground.end(expected)
  })
})
