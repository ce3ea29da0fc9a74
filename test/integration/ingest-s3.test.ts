/** Objects of a bucket as input: patterns, versions, replaced while read, broken connections (spec 10 §3.2–3.3). */
import { DeleteObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3'
import { expect, test } from 'vitest'
import type { Json } from '../../src/ports/runs.ts'
import { csv, jsonArray, ndjson, packed } from '../support/ingest-parts.ts'
import { type Disturbance, IngestWorld, type Outcome, sale, sales, secret } from '../support/ingest-world.ts'
import { describeS3, type FreshBucket, freshBucket, s3Endpoint } from '../support/s3.ts'
import { s3Proxy } from '../support/s3-proxy.ts'

const lines = (records: readonly object[]): string => records.map((record) => `${JSON.stringify(record)}\n`).join('')

async function withBucket(work: (bucket: FreshBucket) => Promise<void>): Promise<void> {
  const bucket = await freshBucket()
  try {
    await work(bucket)
  } finally {
    await bucket.drop()
  }
}

async function put({ client, name }: FreshBucket, Key: string, Body: string | Buffer): Promise<void> {
  await client.send(new PutObjectCommand({ Bucket: name, Key, Body }))
}
async function keys({ client, name }: FreshBucket): Promise<string[]> {
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: name }))
  return Contents.map(({ Key = '' }) => Key)
}
const inputOf = (bucket: FreshBucket): Record<string, Json> => ({
  kind: 's3',
  url: `${bucket.url}/in/`,
  storage: { endpoint: secret('ENDPOINT'), path_style: true },
  settle: '0s',
  batch: 7,
  on_error: { max_ratio: 0.9, action: 'warn' },
})
async function open(): Promise<IngestWorld> {
  const world = await IngestWorld.open()
  world.secrets['ENDPOINT'] = s3Endpoint()
  return world
}

describeS3('objects', () => {
  test('are read the same wherever a run was interrupted', async () => {
    await withBucket(async (bucket) => {
      const records = Array.from({ length: 20 }, (_, i) => sale(i))
      await put(bucket, 'in/a b/ü.ndjson', ndjson(records))
      await put(bucket, 'in/b.json.gz', packed(jsonArray(records), '.gz'))
      await put(bucket, 'in/c.csv.zst', packed(csv(records), '.zst'))
      await put(bucket, 'in/d.csv', csv(records))
      await put(bucket, 'other/e.ndjson', lines(sales(100, 5)))
      const read = async (disturbances: readonly Disturbance[]): Promise<Outcome> => {
        await using world = await open()
        const { runId } = await world.ofInput(inputOf(bucket))
        const { run, error } = await world.endure(runId, disturbances)
        expect(error).toBeNull()
        return await world.outcome(run)
      }
      const wanted = await read([])
      expect(wanted.rows).toHaveLength(20)
      expect(wanted.parts.map(({ part, state }) => [part, state])).toEqual(
        ['in/a b/ü.ndjson', 'in/b.json.gz', 'in/c.csv.zst', 'in/d.csv'].map((part) => [part, 'done']),
      )
      for (const at of [1, 2, 4, 7, 10]) {
        expect(await read([{ stopAfter: at }])).toEqual(wanted)
        expect(await read([{ failAt: at }])).toEqual(wanted)
      }
    })
  })

  test('below a pattern alone, opened again only when they changed', async () => {
    await withBucket(async (bucket) => {
      await put(bucket, 'in/x/y/a.ndjson', lines(sales(0, 3)))
      await put(bucket, 'in/a.txt', 'nothing')
      await using world = await open()
      const input = { ...inputOf(bucket), pattern: '**/*.ndjson' }
      expect((await world.ingest(input)).run.stats).toMatchObject({ events_ingested: 3 })
      expect((await world.ingest(input)).run.stats['events_read']).toBeUndefined()
      await put(bucket, 'in/x/y/a.ndjson', lines(sales(0, 5)))
      expect((await world.ingest(input)).run.stats).toMatchObject({ events_ingested: 2, duplicates: 3 })
      expect((await world.ingest({ ...input, settle: '1h', required: true })).error).toMatchObject({
        code: 'E_INPUT_MISSING',
      })
    })
  })

  test('replaced while they are read are left to the next run, never mixed', async () => {
    await withBucket(async (bucket) => {
      // More than what is under way in buffers.
      const record = (i: number) => sale(i, 'x'.repeat(20_000))
      const body = (from: number): string => lines(Array.from({ length: 300 }, (_, i) => record(from + i)))
      await put(bucket, 'in/a.ndjson', body(0))
      await using world = await open()
      const { runId } = await world.ofInput(inputOf(bucket))
      await world.drive(runId, { stopAfter: 1 })
      await put(bucket, 'in/a.ndjson', body(1000))
      const { error } = await world.drive(runId)
      expect(error).toBeNull()
      expect(await world.marks()).toMatchObject([{ state: 'open', runId: null, recordsRead: 7 }])
      expect((await world.ingest(inputOf(bucket))).run.stats).toMatchObject({ events_read: 300, events_ingested: 300 })
      expect(await world.marks()).toMatchObject([{ state: 'done', recordsRead: 300 }])
    })
  })

  test('come whole over connections that break', async () => {
    await withBucket(async (bucket) => {
      const records = Array.from({ length: 200 }, (_, i) => sale(i, 'x'.repeat(5000)))
      await put(bucket, 'in/a.ndjson', lines(records))
      await using proxy = await s3Proxy(s3Endpoint())
      proxy.decide = ({ operation, time }) => (operation === 'GetObject' && time <= 3 ? { cut: 'midway' } : null)
      await using world = await open()
      world.secrets['ENDPOINT'] = proxy.endpoint
      const { run, error } = await world.ingest(inputOf(bucket))
      expect(error).toBeNull()
      expect(run.stats).toMatchObject({ events_read: 200, events_ingested: 200 })
      expect(proxy.traffic('GetObject').requests).toBeGreaterThan(1)
    })
  })

  test('that vanish are left out', async () => {
    await withBucket(async (bucket) => {
      await put(bucket, 'in/a.ndjson', lines(sales(0, 9)))
      await put(bucket, 'in/b.ndjson', lines(sales(10, 9)))
      await using world = await open()
      const { runId } = await world.ofInput(inputOf(bucket))
      await world.drive(runId, { stopAfter: 1 })
      await bucket.client.send(new DeleteObjectCommand({ Bucket: bucket.name, Key: 'in/b.ndjson' }))
      const { error, run } = await world.drive(runId)
      expect(error).toBeNull()
      expect(run.stats).toMatchObject({ events_ingested: 9 })
    })
  })

  test('move when they are done', async () => {
    await withBucket(async (bucket) => {
      await put(bucket, 'in/x/ä 1.ndjson', lines(sales(0, 3)))
      await using world = await open()
      const input = { ...inputOf(bucket), after: 'move', move_to: 'in/done/' }
      expect((await world.ingest(input)).error).toBeNull()
      expect(await keys(bucket)).toEqual(['in/done/x/ä 1.ndjson'])
      expect((await world.ingest(input)).run.stats['events_read']).toBeUndefined()
      await put(bucket, 'in/x/ä 1.ndjson', lines(sales(10, 3)))
      expect((await world.ingest(input)).run.stats).toMatchObject({ events_ingested: 3 })
      expect(await keys(bucket)).toHaveLength(2)
      await put(bucket, 'in/b.ndjson', lines(sales(20, 3)))
      expect((await world.ingest({ ...inputOf(bucket), pattern: '*.ndjson', after: 'delete' })).error).toBeNull()
      expect(await keys(bucket)).toHaveLength(2)
    })
  })

  test('in a bucket that is not there fail with what to do', async () => {
    await withBucket(async (bucket) => {
      await using world = await open()
      const { error } = await world.ingest({ ...inputOf(bucket), url: 's3://no-such-bucket-here/in/' })
      expect(error?.name).toBe('StorageError')
      expect(error?.message).toMatch(/no such bucket/)
    })
  })
})
