/** Object storage on S3 when requests are refused, lost, late or damaged. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { HeadObjectCommand, ListMultipartUploadsCommand } from '@aws-sdk/client-s3'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { openS3 } from '../../src/adapters/objects/s3.ts'
import type { S3Options } from '../../src/adapters/objects/s3-client.ts'
import type { StorageError } from '../../src/errors.ts'
import type { ObjectStore } from '../../src/ports/objects.ts'
import { describeS3, type FreshBucket, freshBucket } from '../support/s3.ts'
import { refusal, type S3Proxy, s3Proxy } from '../support/s3-proxy.ts'

let bucket: FreshBucket
let proxy: S3Proxy
let store: ObjectStore
let folder: string
let opened: ObjectStore[]

const text = (value: string): Buffer => Buffer.from(value)
const read = async (path: string): Promise<string> => Buffer.from((await direct().get(path)) ?? []).toString()

async function failure(call: Promise<unknown>): Promise<StorageError> {
  return (await call.then(
    () => expect.fail('nothing was thrown'),
    (error: unknown) => error,
  )) as StorageError
}

function open(options: S3Options): ObjectStore {
  const one = openS3(`${bucket.url}/at`, { ...bucket.options, ...options })
  opened.push(one)
  return one
}

/** Past the proxy. */
const direct = (): ObjectStore => open({})

function fileOf(bytes: number): string {
  const file = join(folder, `of-${bytes}`)
  writeFileSync(file, Buffer.alloc(bytes, 'content'))
  return file
}

async function partsLeft(): Promise<number> {
  const { Uploads } = await bucket.client.send(new ListMultipartUploadsCommand({ Bucket: bucket.name }))
  return Uploads?.length ?? 0
}

const BUSY = refusal(503, 'ServiceUnavailable')
const CONFLICT = refusal(409, 'ConditionalRequestConflict')

describeS3('S3', () => {
  beforeEach(async () => {
    bucket = await freshBucket()
    proxy = await s3Proxy(bucket.options.endpoint ?? '')
    opened = []
    store = open({ endpoint: proxy.endpoint })
    folder = mkdtempSync(join(tmpdir(), 'defacto-s3-test-'))
  })
  afterEach(async () => {
    vi.unstubAllEnvs()
    for (const one of opened) await one.close()
    await proxy[Symbol.asyncDispose]()
    await bucket.drop()
    rmSync(folder, { recursive: true })
  })

  test('each call is as few requests as can be, and moves no byte too many', async () => {
    await store.put('a', Buffer.alloc(100_000), { ifAbsent: true })
    await store.put('a', Buffer.alloc(100_000), { ifAbsent: true })
    expect(proxy.traffic()).toMatchObject({ requests: 2, sent: 200_000 })
    await store.get('a', { start: -8 })
    expect(proxy.traffic('GetObject', 'at/a')).toMatchObject({ requests: 1, received: 8 })
    await store.stat('a')
    expect(proxy.traffic('HeadObject')).toMatchObject({ requests: 1, received: 0 })
    await store.remove(['a', 'b', 'c'])
    expect(proxy.traffic('DeleteObjects').requests).toBe(1)
    expect(proxy.traffic().requests).toBe(6)
  })

  test('what fails in passing is tried again, with any call', async () => {
    proxy.decide = ({ time }) => (time % 3 === 0 ? null : time % 3 === 1 ? BUSY : { cut: 'before' })
    await store.put('a', text('one'))
    expect(await store.put('b', text('two'), { ifAbsent: true })).toEqual({ written: true })
    await store.upload('c', fileOf(9_000_000))
    expect(Buffer.from((await store.get('a')) ?? []).toString()).toBe('one')
    expect((await store.stat('c'))?.size).toBe(9_000_000)
    const paths: string[] = []
    for await (const { path } of store.list('')) paths.push(path)
    expect(paths).toEqual(['a', 'b', 'c'])
    expect(await store.remove(['a'])).toEqual([])
    expect(await store.get('a')).toBeUndefined()
  })

  test('what goes on failing is an error that passes, and names bucket and object', async () => {
    proxy.decide = () => BUSY
    const error = await failure(store.get('data/a'))
    expect(error.message).toContain(
      `'data/a' in s3://${bucket.name}/at: the server is overloaded or failing (ServiceUnavailable`,
    )
    expect(error).toMatchObject({ code: 'E_STORAGE', recoverable: true })
    expect(error.details).toMatchObject({ operation: 'get', object: 'data/a', bucket: bucket.name, status: 503 })
    expect(proxy.traffic('GetObject').requests).toBe(4)
    expect((await failure(store.remove(['a']))).recoverable).toBe(true)
    expect((await failure(store.list('')[Symbol.asyncIterator]().next())).recoverable).toBe(true)
  })

  test('a server that never answers, and one that is not there, are given up', async () => {
    proxy.decide = () => 'silence'
    const impatient = open({ endpoint: proxy.endpoint, silenceMs: 100, attempts: 2 })
    const silent = await failure(impatient.get('a'))
    expect(silent.message).toContain(`no answer from ${new URL(proxy.endpoint).host} (TimeoutError)`)
    expect(silent.recoverable).toBe(true)
    const gone = await failure(open({ endpoint: 'http://127.0.0.1:9', attempts: 2 }).stat('a'))
    expect(gone.message).toContain('no answer from 127.0.0.1:9 (ECONNREFUSED)')
    expect(gone.recoverable).toBe(true)
  })

  test('a late answer is an answer', async () => {
    const released = Promise.withResolvers<void>()
    proxy.decide = () => {
      setImmediate(released.resolve)
      return { until: released.promise }
    }
    expect(await store.put('a', text('x'), { ifAbsent: true })).toEqual({ written: true })
  })

  test('of a conditional write whose answer is lost the writer still learns how it went', async () => {
    proxy.decide = ({ operation, time }) => (operation === 'PutObject' && time === 1 ? { cut: 'after' } : null)
    expect(await store.put('mine', text('mine'), { ifAbsent: true })).toEqual({ written: true })
    expect(await store.put('mine', text('again'), { ifAbsent: true })).toEqual({ written: false })
    await direct().put('theirs', text('theirs'))
    expect(await store.put('theirs', text('mine'), { ifAbsent: true })).toEqual({ written: false })
    proxy.decide = ({ operation }) => (operation === 'PutObject' ? { cut: 'after' } : null)
    expect(await store.put('never-heard', text('mine'), { ifAbsent: true })).toEqual({ written: true })
    expect(await Promise.all(['mine', 'theirs', 'never-heard'].map(read))).toEqual(['mine', 'theirs', 'mine'])
  })

  test('when nobody can tell, the outcome is unknown', async () => {
    proxy.decide = ({ operation }) => ({ cut: operation === 'PutObject' ? 'after' : 'before' })
    const carriedOut = await failure(store.put('a', text('x'), { ifAbsent: true }))
    proxy.decide = ({ operation }) => (operation === 'PutObject' ? { cut: 'before' } : null)
    const notCarriedOut = await failure(store.put('b', text('x'), { ifAbsent: true }))
    for (const error of [carriedOut, notCarriedOut]) {
      expect(error.details['outcome']).toBe('unknown')
      expect(error.recoverable).toBe(true)
    }
    expect(await read('a')).toBe('x')
    expect(await direct().stat('b')).toBeUndefined()
  })

  test('a refusal leaves nothing in doubt', async () => {
    proxy.decide = ({ operation }) => (operation === 'PutObject' ? refusal(403, 'AccessDenied') : null)
    const error = await failure(store.put('a', text('x'), { ifAbsent: true }))
    expect(error.message).toContain('access is denied (AccessDenied')
    expect(error).toMatchObject({ recoverable: false })
    expect(error.details['outcome']).toBeUndefined()
    expect(proxy.traffic().requests).toBe(1)
  })

  test('conditional writes that met are tried again', async () => {
    proxy.decide = ({ operation, time }) => (operation === 'PutObject' && time <= 2 ? CONFLICT : null)
    expect(await store.put('a', text('x'), { ifAbsent: true })).toEqual({ written: true })
    await direct().put('b', text('theirs'))
    expect(await store.put('b', text('x'), { ifAbsent: true })).toEqual({ written: false })
    expect(proxy.traffic('HeadObject').requests).toBe(0)
    proxy.decide = () => CONFLICT
    const error = await failure(store.put('c', text('x'), { ifAbsent: true }))
    expect(error.recoverable).toBe(true)
    expect(error.details['outcome']).toBeUndefined()
  })

  test('16 writers on a bad line: one wins, and every one knows how it went', async () => {
    const lines = Array.from({ length: 8 }, () => open({ endpoint: proxy.endpoint }))
    for (let round = 0; round < 12; round++) {
      proxy.decide = ({ operation, time }) => {
        if (operation !== 'PutObject' || time > 12) return null
        return [{ cut: 'after' as const }, null, BUSY, { cut: 'before' as const }, CONFLICT][(time + round) % 5] ?? null
      }
      const path = `log/${round}.json`
      const results = await Promise.all(
        Array.from({ length: 16 }, (_, n) => lines[n % 8]!.put(path, text(`writer ${n}`), { ifAbsent: true })),
      )
      const winners = results.flatMap(({ written }, n) => (written ? [`writer ${n}`] : []))
      expect(winners, `round ${round}`).toEqual([await read(path)])
    }
  })

  test('a body that breaks off is asked for again', async () => {
    await direct().put('a', Buffer.alloc(200_000, 'body'))
    proxy.decide = ({ operation, time }) => (operation === 'GetObject' && time % 2 === 1 ? { cut: 'midway' } : null)
    expect((await store.get('a'))?.length).toBe(200_000)
    expect(await store.download('a', join(folder, 'out'))).toBe(200_000)
    expect(proxy.traffic('GetObject').requests).toBe(4)
    proxy.decide = () => ({ cut: 'midway' })
    expect(await failure(store.get('a'))).toMatchObject({ recoverable: true })
    expect(await failure(store.download('a', join(folder, 'half')))).toMatchObject({ recoverable: true })
    expect(readdirSync(folder)).toEqual(['out'])
  })

  test('a download into a full or missing folder is the fault of this machine, and not repeated', async () => {
    await direct().put('a', text('x'))
    const error = await failure(store.download('a', join(folder, 'none', 'out')))
    expect(error.message).toContain('the local file, ENOENT')
    expect(proxy.traffic('GetObject').requests).toBe(1)
  })

  test('an upload of which not all bytes arrive is noticed, by the server or afterwards', async () => {
    proxy.decide = ({ operation }) => (operation === 'PutObject' ? { bytes: 50, checksums: true } : null)
    const refused = await failure(store.upload('a', fileOf(100)))
    expect(refused.message).toContain('the checksum does not fit')
    expect(await direct().stat('a')).toBeUndefined()
    proxy.decide = ({ operation }) => (operation === 'PutObject' ? { bytes: 50, checksums: false } : null)
    const short = await failure(store.upload('b', fileOf(100)))
    expect(short.message).toContain('50 bytes are stored of 100')
    for (const error of [refused, short]) expect(error.recoverable).toBe(true)
  })

  test('an upload in parts whose last answer is lost has been done', async () => {
    proxy.decide = ({ operation, time }) =>
      operation === 'CompleteMultipartUpload' && time === 1 ? { cut: 'after' } : null
    await store.upload('a', fileOf(20_000_000))
    expect((await direct().stat('a'))?.size).toBe(20_000_000)
    expect(proxy.traffic('UploadPart').requests).toBe(3)
    expect(proxy.traffic('UploadPart').sent).toBe(20_000_000)
  })

  test('an upload that fails leaves neither object nor parts', async () => {
    proxy.decide = ({ operation, query }) =>
      operation === 'UploadPart' && query.get('partNumber') === '2' ? BUSY : null
    const error = await failure(store.upload('a', fileOf(20_000_000)))
    expect(error).toMatchObject({ recoverable: true })
    expect(await direct().stat('a')).toBeUndefined()
    expect(await partsLeft()).toBe(0)
  })

  test('an object that comes into being during an upload in parts is left as it is', async () => {
    proxy.decide = ({ operation }) => {
      if (operation !== 'CompleteMultipartUpload') return null
      return { until: direct().put('a', text('theirs')) }
    }
    const error = await failure(store.upload('a', fileOf(20_000_000)))
    expect(error.details['outcome']).toBe('exists')
    expect(await read('a')).toBe('theirs')
    expect(await partsLeft()).toBe(0)
  })

  test('a missing bucket is not an empty one', async () => {
    const nowhere = openS3('s3://defacto-none-such/at', bucket.options)
    for (const call of [
      () => nowhere.get('a'),
      () => nowhere.stat('a'),
      () => nowhere.put('a', text('x')),
      () => nowhere.put('a', text('x'), { ifAbsent: true }),
      () => nowhere.list('')[Symbol.asyncIterator]().next(),
      () => nowhere.remove(['a']),
    ]) {
      const error = await failure(call())
      expect(error.message).toContain('there is no such bucket')
      expect(error.recoverable).toBe(false)
    }
    await nowhere.close()
  })

  test('what a question without a text is answered with is explained all the same', async () => {
    proxy.decide = () => refusal(403, 'AccessDenied')
    expect((await failure(store.stat('a'))).message).toContain('access is denied (AccessDenied')
  })

  test('expired credentials pass, show no secret, and the next call reads new ones', async () => {
    const file = join(folder, 'credentials')
    const write = (id: string) =>
      writeFileSync(file, `[default]\naws_access_key_id=${id}\naws_secret_access_key=hush\n`)
    write('FIRSTKEY')
    vi.stubEnv('AWS_ACCESS_KEY_ID', undefined)
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', undefined)
    vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', file)
    const keys: (string | undefined)[] = []
    proxy.decide = ({ headers }) => {
      keys.push(/Credential=(\w+)\//.exec(headers.authorization ?? '')?.[1])
      if (keys.length > 1) return null
      return refusal(
        400,
        'ExpiredToken',
        '<Token-0>very-secret-token</Token-0><AWSAccessKeyId>FIRSTKEY</AWSAccessKeyId>',
      )
    }
    const error = await failure(store.put('a', text('x'), { ifAbsent: true }))
    expect(error.message).toContain('the credentials have expired (ExpiredToken): renew them')
    expect(error.recoverable).toBe(true)
    expect(inspect(error, { depth: null, showHidden: true })).not.toMatch(/secret-token|FIRSTKEY|hush/)
    write('SECONDKEY')
    expect(await store.put('a', text('x'), { ifAbsent: true })).toEqual({ written: true })
    expect(keys).toEqual(['FIRSTKEY', 'SECONDKEY'])
  })

  test('that there are no credentials is said, and nothing is sent', async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', undefined)
    vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', join(folder, 'none'))
    vi.stubEnv('AWS_CONFIG_FILE', join(folder, 'none'))
    const error = await failure(store.put('a', text('x'), { ifAbsent: true }))
    expect(error.message).toContain('there are no credentials: set AWS_PROFILE')
    expect(error.recoverable).toBe(false)
    expect(error.details['outcome']).toBeUndefined()
    expect(proxy.traffic().requests).toBe(0)
  })

  test('objects are encrypted as the options say, those in parts too', async () => {
    const encrypting = open({ serverSideEncryption: 'AES256' })
    await encrypting.put('a', text('x'), { ifAbsent: true })
    await encrypting.upload('b', fileOf(9_000_000))
    for (const Key of ['at/a', 'at/b']) {
      const found = await bucket.client.send(new HeadObjectCommand({ Bucket: bucket.name, Key }))
      expect(found.ServerSideEncryption).toBe('AES256')
    }
    const headers: unknown[] = []
    proxy.decide = (asked) => {
      const { 'x-amz-server-side-encryption': kind, 'x-amz-server-side-encryption-aws-kms-key-id': key } = asked.headers
      if (/^(PutObject|CreateMultipartUpload)$/.test(asked.operation)) headers.push([kind, key])
      return refusal(403, 'AccessDenied')
    }
    const keyed = open({ endpoint: proxy.endpoint, serverSideEncryption: 'aws:kms', kmsKeyId: 'key-1' })
    await failure(keyed.put('c', text('x')))
    await failure(keyed.upload('d', fileOf(9_000_000)))
    expect(headers).toEqual([
      ['aws:kms', 'key-1'],
      ['aws:kms', 'key-1'],
    ])
  })
})
