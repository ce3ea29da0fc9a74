/**
 * A process that is killed at its n-th request to the store, before the store got it or after it was carried out: whoever
 * goes on afterwards finds everything once, and the history is that of an undisturbed ledger.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { DefactoOptions } from '../../src/index.ts'
import { describeS3, type FreshBucket, freshBucket } from '../support/s3.ts'
import { type Fault, type S3Request, s3Proxy } from '../support/s3-proxy.ts'
import { type ColdWorker, coldWorker, expectArchived, remaining } from './cold-job.ts'
import type { ColdStep } from './cold-worker.ts'
import { type Backend, POSTGRES, SQLITE } from './places.ts'
import { EDITIONS, END, type Expected, expectedOf, type Workshop, workshop } from './shop-job.ts'

const [first, second, third] = EDITIONS as unknown as [object, object, object]
const COUNT = 90
/** Processes that may be killed before one must have finished. */
const LIVES = 60

/** Little of everything that writes to the store: appends, rewrites, merged and removed files. */
const stepsOf = (options: DefactoOptions): ColdStep[] => [
  { do: 'open', definitions: first, options },
  { do: 'ingest', from: 0, to: 50 },
  { do: 'flush' },
  { do: 'prune', keep: 10 },
  { do: 'ingest', from: 50, to: 70 },
  { do: 'open', definitions: second, options },
  { do: 'build' },
  { do: 'flush' },
  { do: 'ingest', from: 70, to: COUNT },
  { do: 'flush' },
  { do: 'open', definitions: third, options },
  { do: 'build' },
  { do: 'compact' },
  { do: 'vacuum', retentionMs: 0 },
  { do: 'build', full: true },
  { do: 'tick', asOf: END },
  { do: 'prune', keep: 0 },
]

const READS = new Set([
  'GetObject',
  'HeadObject',
  'ListObjectsV2',
  'ListObjectVersions',
  'ListMultipartUploads',
  'GetBucketVersioning',
])
const isWrite = ({ operation }: S3Request): boolean => !READS.has(operation)

/** `PutObject json`, …. */
const kindOf = ({ operation, object }: S3Request): string => `${operation} ${object.replace(/^.*[./]/, '')}`.trim()

let shop: Workshop
let expected: Expected
let bucket: FreshBucket
beforeAll(async () => {
  shop = workshop(COUNT, 7)
  expected = expectedOf(shop.records, first as never, third as never)
  bucket = await freshBucket()
})
afterAll(async () => {
  await bucket?.drop()
  shop.remove()
})

/**
 * One history, finished by a chain of processes. `kills` is asked for every request, with the number of the process, and
 * of the request among its reads or writes, beginning with 0. Returns the requests at which one was killed.
 */
async function chain(
  backend: Backend,
  name: string,
  cut: 'before' | 'after',
  kills: (request: S3Request, process: number, number: number) => boolean,
): Promise<S3Request[]> {
  const place = await backend.place(shop.folder, name)
  await using proxy = await s3Proxy(bucket.options.endpoint ?? '')
  const coldLedger = { url: `${bucket.url}/${name}`, storage: { endpoint: proxy.endpoint } }
  const options = { database: place.database, coldLedger }
  let rest = stepsOf(options)
  const killedAt: S3Request[] = []
  for (let life = 0; life < LIVES; life += 1) {
    let worker: ColdWorker | null = null
    let dying = false
    const numbers = { read: 0, write: 0 }
    proxy.decide = (request): Fault | null => {
      const number = numbers[isWrite(request) ? 'write' : 'read']++
      if (dying || !kills(request, life, number)) return null
      dying = true
      killedAt.push(request)
      return { cut, first: () => worker?.kill('SIGKILL') }
    }
    worker = coldWorker(shop, rest)
    const ended = await worker.life
    expect(ended.error, `process ${life}`).toBe(null)
    if (!ended.killed) break
    rest = remaining(rest, ended.done)
  }
  proxy.decide = () => null
  await expectArchived(place, third, expected, options)
  await place.remove()
  return killedAt
}

describeS3('processes that are killed one after the other', { timeout: 900_000 }, () => {
  /** Which of its writes is the last of a process, by turns; among them such as let a rewrite of several files end. */
  test.concurrent.each([
    { backend: SQLITE, cut: 'before', turns: [0, 1, 2, 3, 4], least: 15 },
    { backend: POSTGRES, cut: 'after', turns: [0, 1, 0, 1, 2, 1, 3, 4], least: 12 },
  ] as const)('on $backend.name, $cut their writes were carried out', async ({ backend, cut, turns, least }) => {
    let removing = false
    const killedAt = await chain(backend, cut, cut, (request, life, number) => {
      const removes = request.operation === 'DeleteObjects' && !removing
      if (removes) removing = true
      return removes || (isWrite(request) && number === turns[life % turns.length])
    })
    expect(new Set(killedAt.map(kindOf))).toEqual(new Set(['PutObject json', 'PutObject parquet', 'DeleteObjects']))
    expect(killedAt.length).toBeGreaterThanOrEqual(least)
  })

  test.concurrent('while they read', async () => {
    const killedAt = await chain(
      SQLITE,
      'reads',
      'before',
      (request, life, number) => !isWrite(request) && life < 16 && number === Math.round(1.4 ** life),
    )
    expect(killedAt.length).toBeGreaterThanOrEqual(10)
  })
})
