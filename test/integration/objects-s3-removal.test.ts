/** Removal from buckets that keep versions, hold some back, or let nobody look. */
import {
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  ListObjectVersionsCommand,
  PutObjectRetentionCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openS3 } from '../../src/adapters/objects/s3.ts'
import type { ObjectStore } from '../../src/ports/objects.ts'
import { type BucketOptions, describeS3, type FreshBucket, freshBucket } from '../support/s3.ts'
import { refusal, type S3Proxy, s3Proxy } from '../support/s3-proxy.ts'

let bucket: FreshBucket
let proxy: S3Proxy
let store: ObjectStore

const text = (value: string): Buffer => Buffer.from(value)
const DENIED = refusal(403, 'AccessDenied')

/** `key`, with a star for a marker, of everything there. */
async function everything(): Promise<string[]> {
  const page = await bucket.client.send(new ListObjectVersionsCommand({ Bucket: bucket.name }))
  const versions = (page.Versions ?? []).map(({ Key }) => `${Key}`)
  return [...versions, ...(page.DeleteMarkers ?? []).map(({ Key }) => `${Key}*`)].sort()
}

async function listed(): Promise<string[]> {
  const paths: string[] = []
  for await (const { path } of store.list('')) paths.push(path)
  return paths
}

async function prepare(options: BucketOptions): Promise<void> {
  bucket = await freshBucket(options)
  proxy = await s3Proxy(bucket.options.endpoint ?? '')
  store = openS3(`${bucket.url}/at`, { ...bucket.options, endpoint: proxy.endpoint })
}

afterEach(async () => {
  await store.close()
  await proxy[Symbol.asyncDispose]()
  await bucket.drop()
})

describeS3('removal from a bucket that keeps versions', () => {
  beforeEach(() => prepare({ versioned: true }))

  test('takes every version and marker of the paths named, and no others', async () => {
    for (const version of ['one', 'two', 'three']) await store.put('a', text(version))
    for (const path of ['ab', 'a/b', 'b']) await store.put(path, text('x'))
    expect(await store.remove(['a', 'b', 'none'])).toEqual([])
    expect(await everything()).toEqual(['at/a/b', 'at/ab'])
  })

  test('takes what another program only marked as deleted', async () => {
    await store.put('a', text('x'))
    proxy.decide = ({ operation }) => (operation === 'GetBucketVersioning' ? refusal(501, 'NotImplemented') : null)
    await store.remove(['a'])
    expect(await everything()).toEqual(['at/a', 'at/a*'])
    expect(await store.hidden('')).toEqual({ paths: [], reason: null })
    proxy.decide = () => null
    expect(await store.hidden('')).toEqual({ paths: ['a'], reason: null })
    expect(await store.remove(['a'])).toEqual([])
    expect(await everything()).toEqual([])
  })

  test('reports what it may not look at, having hidden it', async () => {
    await store.put('a', text('x'))
    proxy.decide = ({ operation }) => (/GetBucketVersioning|ListObjectVersions/.test(operation) ? DENIED : null)
    expect(await store.remove(['a'])).toEqual([
      { path: 'a', reason: expect.stringContaining('allow s3:GetBucketVersioning and s3:ListBucketVersions') },
    ])
    expect(await listed()).toEqual([])
    expect(await everything()).toEqual(['at/a', 'at/a*'])
    expect(await store.hidden('')).toEqual({ paths: [], reason: expect.stringContaining('s3:ListBucketVersions') })
  })

  test('looks by itself when it may not ask how the bucket is set', async () => {
    await store.put('a', text('one'))
    await store.put('a', text('two'))
    proxy.decide = ({ operation }) => (operation === 'GetBucketVersioning' ? DENIED : null)
    expect(await store.remove(['a'])).toEqual([])
    expect(await everything()).toEqual([])
  })
})

describeS3('removal from a bucket with locks', () => {
  beforeEach(() => prepare({ lockable: true }))

  test('reports what is locked, having hidden it, also the second time; the rest goes', async () => {
    await store.put('locked', text('x'))
    await store.put('free', text('x'))
    await bucket.client.send(
      new PutObjectRetentionCommand({
        Bucket: bucket.name,
        Key: 'at/locked',
        Retention: { Mode: 'GOVERNANCE', RetainUntilDate: new Date(Date.now() + 3_600_000) },
      }),
    )
    for (const _ of ['first', 'second']) {
      expect(await store.remove(['locked', 'free'])).toEqual([
        { path: 'locked', reason: expect.stringContaining('object lock') },
      ])
      expect(await everything()).toEqual(['at/locked', 'at/locked*'])
      expect(await listed()).toEqual([])
      expect(await store.hidden('')).toEqual({ paths: ['locked'], reason: null })
      expect(await store.hidden('lo')).toEqual({ paths: ['locked'], reason: null })
      expect(await store.hidden('free')).toEqual({ paths: [], reason: null })
    }
  })
})

describeS3('removal that is denied', () => {
  beforeEach(() => prepare({}))

  test('as a whole is reported path by path', async () => {
    await store.put('a', text('x'))
    proxy.decide = ({ operation }) => (operation === 'DeleteObjects' ? DENIED : null)
    expect(await store.remove(['a', 'b'])).toEqual(
      ['a', 'b'].map((path) => ({ path, reason: expect.stringContaining('access is denied: allow s3:DeleteObject') })),
    )
    expect(await listed()).toEqual(['a'])
  })

  test('for some is reported for those', async () => {
    const error = '<Error><Key>at/b</Key><Code>InternalError</Code><Message>no</Message></Error>'
    const body = `<?xml version="1.0"?><DeleteResult>${error}</DeleteResult>`
    proxy.decide = ({ operation }) => (operation === 'DeleteObjects' ? { answer: 200, body } : null)
    expect(await store.remove(['a', 'b'])).toEqual([{ path: 'b', reason: 'InternalError: try again' }])
  })

  test('by expired credentials is a failure of the whole, which passes', async () => {
    proxy.decide = ({ operation }) => (operation === 'DeleteObjects' ? refusal(400, 'ExpiredToken') : null)
    await expect(store.remove(['a'])).rejects.toMatchObject({ code: 'E_STORAGE', recoverable: true })
  })
})

describeS3('uploads that nobody finished', () => {
  beforeEach(() => prepare({}))

  async function begin(Key: string): Promise<void> {
    const { UploadId } = await bucket.client.send(new CreateMultipartUploadCommand({ Bucket: bucket.name, Key }))
    const part = { Bucket: bucket.name, Key, UploadId, PartNumber: 1, Body: text('half an object') }
    await bucket.client.send(new UploadPartCommand(part))
  }
  async function open(): Promise<string[]> {
    const page = await bucket.client.send(new ListMultipartUploadsCommand({ Bucket: bucket.name }))
    return (page.Uploads ?? []).map(({ Key }) => Key ?? '').sort()
  }

  test('are aborted below the prefix alone, once they are old enough', async () => {
    expect(await store.abandon(0)).toEqual({ removed: 0, pending: [] })
    for (const key of ['at/data/1', 'at/data/2', 'elsewhere/3']) await begin(key)
    await store.put('a', text('x'))
    const pending = ['data/1', 'data/2'].map((path) => ({ path, reason: 'a writer may still finish it' }))
    expect(await store.abandon(3_600_000)).toEqual({ removed: 0, pending })
    expect(await store.abandon(0)).toEqual({ removed: 2, pending: [] })
    expect(await open()).toEqual(['elsewhere/3'])
    expect(await listed()).toEqual(['a'])
  })

  test('are named where the bucket does not allow it', async () => {
    await begin('at/data/1')
    proxy.decide = ({ operation }) => (operation === 'AbortMultipartUpload' ? DENIED : null)
    expect((await store.abandon(0)).pending).toEqual([
      { path: 'data/1', reason: 'access is denied: allow s3:AbortMultipartUpload' },
    ])
    proxy.decide = ({ operation }) => (operation === 'ListMultipartUploads' ? DENIED : null)
    const [unlisted] = (await store.abandon(0)).pending
    expect(unlisted?.reason).toContain('allow s3:ListBucketMultipartUploads')
    expect(await open()).toEqual(['at/data/1'])
  })
})
