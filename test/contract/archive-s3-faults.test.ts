/** An archive in a bucket behind a bad way: what passes costs nothing but time, what stays says what it is and what to do. */
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openDeltaArchive } from '../../src/adapters/delta/archive.ts'
import { openS3 } from '../../src/adapters/objects/s3.ts'
import type { Archive } from '../../src/ports/archive.ts'
import type { ObjectStore } from '../../src/ports/objects.ts'
import { appendTo, archiveRows, FLUSH, ledgerTo, scanned, tombstones } from '../../src/testing/contract/archive.ts'
import { room } from '../support/room.ts'
import { describeS3, type FreshBucket, freshBucket } from '../support/s3.ts'
import { type Fault, refusal, type S3Proxy, type S3Request, s3Proxy } from '../support/s3-proxy.ts'

/** Tries of one request. */
const ATTEMPTS = 4

let folder: string
let bucket: FreshBucket
let proxy: S3Proxy
let objects: ObjectStore
let archive: Archive

beforeEach(async () => {
  folder = await mkdtemp(join(room(), 'defacto-archive-s3-'))
  bucket = await freshBucket({ versioned: true })
  proxy = await s3Proxy(bucket.options.endpoint ?? '')
  const way = { endpoint: proxy.endpoint, attempts: ATTEMPTS, silenceMs: 1_000 }
  objects = openS3(`${bucket.url}/t`, way)
  archive = await openDeltaArchive({ objects, temporary: folder, fileBytes: 12_000 })
})
afterEach(async () => {
  await archive.close()
  await objects.close()
  await proxy[Symbol.asyncDispose]()
  await bucket.drop()
  await rm(folder, { recursive: true })
})

const isData = ({ object }: S3Request): boolean => object.startsWith('t/data/')
const isCommit = ({ object }: S3Request): boolean => /_delta_log\/\d{20}\.json$/.test(object)
const isWrite = ({ operation }: S3Request): boolean => /^(PutObject|UploadPart)$/.test(operation)
const erase = (sequences: number[]) =>
  archive.rewrite({ txn: { appId: 'defacto-redact/test', version: 1 }, sequences, change: tombstones })

/** Archived once, each of them, and nothing else. */
async function assertArchived(last: number): Promise<void> {
  proxy.decide = () => null
  const other = await openDeltaArchive({ objects, temporary: folder })
  expect(await scanned(other)).toEqual(archiveRows(1, last))
  expect((await other.verify()).problems).toEqual([])
  await other.close()
}

describeS3('what passes', () => {
  test.each<[string, (request: S3Request) => Fault | null]>([
    ['refusals of an overloaded server', ({ time }) => (time === 1 ? refusal(503, 'ServiceUnavailable') : null)],
    ['silence', (request) => (isData(request) && request.time === 1 ? 'silence' : null)],
    ['cut requests', ({ time }) => (time === 1 ? { cut: 'before' } : null)],
    ['cut answers', ({ time }) => (time === 1 ? { cut: 'midway' } : null)],
    ['lost answers', (request) => (isWrite(request) && request.time === 1 ? { cut: 'after' } : null)],
  ])('%s', async (_, decide) => {
    proxy.decide = decide
    expect(await appendTo(archive, 80)).toMatchObject({ rows: 80, last: 80 })
    await archive.confirm({ after: 0, to: 80, rows: ledgerTo(80, 0) })
    await assertArchived(80)
  })
})

describeS3('the answer to a commit is lost', () => {
  /** All tries of the first call; asking for the mark of what is there fails as well. */
  const lost = (cut: 'before' | 'after') => (request: S3Request) => {
    if (!isCommit(request)) return null
    if (request.operation === 'HeadObject') return refusal(503, 'ServiceUnavailable')
    return isWrite(request) && request.time <= ATTEMPTS ? { cut } : null
  }

  test.each(['before', 'after'] as const)('%s it was carried out: rows are archived once', async (cut) => {
    await appendTo(archive, 40)
    proxy.decide = lost(cut)
    const result = await archive.append({ appId: FLUSH, rows: (after) => ledgerTo(80, after) })
    expect(result.last).toBe(80)
    await assertArchived(80)
  })

  test.each(['before', 'after'] as const)('%s it was carried out: rows are changed once', async (cut) => {
    await appendTo(archive, 80)
    proxy.decide = lost(cut)
    expect(await erase([5])).toMatchObject({ applied: true, rows: 1 })
    proxy.decide = () => null
    expect((await scanned(archive, { sequences: [4, 5] })).map(({ eventId }) => eventId)).toEqual(['id-4', null])
    expect((await archive.verify()).problems).toEqual([])
  })
})

describeS3('what stays', () => {
  test('an outage is recoverable and names the object, and the same call goes on afterwards', async () => {
    await appendTo(archive, 40)
    proxy.decide = (request) => (isWrite(request) && isData(request) ? refusal(503, 'ServiceUnavailable') : null)
    await expect(appendTo(archive, 80)).rejects.toMatchObject({
      recoverable: true,
      message: expect.stringMatching(/upload 'data\/.*the server is overloaded or failing.*try again later/),
      details: { object: expect.stringMatching(/^data\//) },
    })
    proxy.decide = (request) => (isWrite(request) && isData(request) ? 'silence' : null)
    await expect(appendTo(archive, 80)).rejects.toMatchObject({
      recoverable: true,
      message: expect.stringMatching(/'data\/.*no answer from .*check the network/),
    })
    proxy.decide = () => null
    expect((await appendTo(archive, 80)).rows).toBe(40)
    await assertArchived(80)
  })

  test('expired credentials are recoverable, name the object and say what to renew', async () => {
    await appendTo(archive, 40)
    for (const wanted of [isCommit, isData]) {
      proxy.decide = (request) => (isWrite(request) && wanted(request) ? refusal(400, 'ExpiredToken') : null)
      await expect(appendTo(archive, 80)).rejects.toMatchObject({
        recoverable: true,
        message: expect.stringMatching(/'(data|_delta_log)\/.*credentials have expired.*renew them/),
        details: { object: expect.stringMatching(/^(data|_delta_log)\//) },
      })
    }
    await assertArchived(40)
  })

  test('an upload that arrives short is never committed', async () => {
    proxy.decide = (request) => (isWrite(request) && isData(request) ? { bytes: 500, checksums: false } : null)
    await expect(appendTo(archive, 40)).rejects.toMatchObject({
      message: expect.stringMatching(/'data\/.*500 bytes are stored of \d+\. Try again/),
    })
    proxy.decide = () => null
    expect(await archive.boundary(FLUSH)).toBe(0)
    await appendTo(archive, 40)
    await assertArchived(40)
  })

  test('deletes that are denied leave the rest of a purge as it is, and are said', async () => {
    await appendTo(archive, 200)
    const old = new Set((await archive.snapshot())!.files.map(({ path }) => path))
    await erase([5, 150])
    const live = new Set((await archive.snapshot())!.files.map(({ path }) => path))
    const replaced = [...old].filter((path) => !live.has(path)).sort()
    proxy.decide = ({ operation, body }) =>
      operation === 'DeleteObjects' && body.includes('data/') ? refusal(403, 'AccessDenied') : null
    const denied = { reason: expect.stringContaining('allow s3:DeleteObject and s3:DeleteObjectVersion') }
    for (const sweep of [() => archive.purge(), () => archive.vacuum({ retentionMs: 0 })]) {
      const { pending } = await sweep()
      expect(pending).toEqual(replaced.map((path) => ({ path, ...denied })))
    }
    expect((await archive.verify()).problems).toEqual([])
    expect((await scanned(archive)).length).toBe(200)
    proxy.decide = () => null
    expect(await archive.purge()).toMatchObject({ pending: [] })
  })

  test('missing and corrupt objects are named, by whatever reads them', async () => {
    await appendTo(archive, 120)
    const files = (await archive.snapshot())!.files
    const [gone, corrupt] = [files[0]!.path, files[1]!.path]
    const at = { Bucket: bucket.name, Key: `t/${corrupt}` }
    const body = await (await bucket.client.send(new GetObjectCommand(at))).Body!.transformToByteArray()
    body.fill(0x5a, 100, body.length - 300)
    await bucket.client.send(new PutObjectCommand({ ...at, Body: body }))
    await objects.remove([gone])
    const { problems } = await archive.verify()
    expect(problems).toEqual([
      { path: gone, problem: 'it is missing' },
      { path: corrupt, problem: expect.any(String) },
    ])
    const reads: [number, () => Promise<unknown>][] = [
      [0, () => scanned(archive, { to: 1 })],
      [0, () => archive.confirm({ after: 0, to: 1, rows: ledgerTo(1, 0) })],
      [0, () => erase([1])],
      [
        1,
        () =>
          archive.confirm({
            after: files[0]!.sequences!.last,
            to: 120,
            rows: ledgerTo(120, files[0]!.sequences!.last),
          }),
      ],
      [1, () => erase([files[1]!.sequences!.first])],
    ]
    for (const [index, read] of reads) {
      const error: Error & { recoverable?: boolean } = await read().then(
        () => Promise.reject(new Error('nothing was noticed')),
        (thrown: Error) => thrown,
      )
      expect(error.message).toContain(`'${files[index]!.path}'`)
      expect(error.message).toMatch(/[Rr]estore/)
      expect(error.recoverable).toBe(false)
    }
  })
})
