/** An S3 bucket with a prefix as object storage (spec 07 §5.4). Load it lazily: the SDK is large. */
import { createWriteStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import {
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import type { Abandoned, ObjectStore, PutResult, StoredObject } from '../../ports/objects.ts'
import { type ByteRange, checkPath, checkPrefix, checkRange, isPath } from './paths.ts'
import { type S3Options, S3Way } from './s3-client.ts'
import { createObject, pause, uploadFile } from './s3-create.ts'
import { isBroken, isMissing, isRefusal, statusOf } from './s3-errors.ts'
import { hiddenObjects, removeObjects } from './s3-remove.ts'
import { abandonUploads } from './s3-uploads.ts'

/**
 * Opens `s3://bucket/prefix`; nothing is asked of the server yet. Credentials come from the standard provider chain.
 * @throws ConfigError when the address or an option is no good
 */
export function openS3(url: string, options: S3Options = {}): ObjectStore {
  return new S3Store(new S3Way(url, options))
}

class S3Store implements ObjectStore {
  readonly #way: S3Way

  constructor(way: S3Way) {
    this.#way = way
  }

  get location(): string {
    return this.#way.place.location
  }

  async get(path: string, range?: ByteRange): Promise<Uint8Array | undefined> {
    checkPath(path, 'get')
    if (range !== undefined) checkRange(range, path)
    // No header can ask for nothing.
    if (range?.end === range?.start && range !== undefined) return (await this.stat(path)) && new Uint8Array()
    return await this.#fetch('get', path, rangeHeader(range), async (found) => {
      if (found === 'behind') return new Uint8Array()
      const bytes = (await found.Body?.transformToByteArray()) ?? new Uint8Array()
      checkLength(bytes.length, found)
      return bytes
    })
  }

  async stat(path: string): Promise<StoredObject | undefined> {
    checkPath(path, 'stat')
    try {
      const found = await this.#way.client.send(new HeadObjectCommand(this.#way.at(path)))
      return { path, size: found.ContentLength ?? 0, modifiedAt: found.LastModified ?? new Date(0) }
    } catch (error) {
      if (!isRefusal(error)) throw this.#way.error(error, 'stat', path)
      await this.#askWhy(path)
      return undefined
    }
  }

  async put(path: string, body: Uint8Array, options: { ifAbsent?: boolean } = {}): Promise<PutResult> {
    checkPath(path, 'put')
    const request = { ...this.#way.at(path), ...this.#way.encryption, Body: body }
    if (options.ifAbsent) {
      const written = await createObject(this.#way, 'put', path, async (condition) => {
        await this.#way.client.send(new PutObjectCommand({ ...request, ...condition }))
      })
      return { written }
    }
    try {
      await this.#way.client.send(new PutObjectCommand(request))
      return { written: true }
    } catch (error) {
      throw this.#way.error(error, 'put', path, isRefusal(error) ? {} : { outcome: 'unknown' })
    }
  }

  async upload(path: string, file: string): Promise<void> {
    checkPath(path, 'upload')
    await uploadFile(this.#way, path, file)
  }

  async download(path: string, file: string): Promise<number | undefined> {
    checkPath(path, 'download')
    try {
      return await this.#fetch('download', path, undefined, async (found) => {
        if (found === 'behind') return 0
        const target = createWriteStream(file)
        await pipeline(found.Body as Readable, target)
        checkLength(target.bytesWritten, found)
        return target.bytesWritten
      })
    } catch (error) {
      await rm(file, { force: true })
      throw error
    }
  }

  async *list(prefix: string, options: { after?: string } = {}): AsyncIterable<StoredObject> {
    checkPrefix(prefix)
    const root = this.#way.bucket.prefix
    let next: string | undefined
    do {
      const command = new ListObjectsV2Command({
        Bucket: this.#way.bucket.name,
        Prefix: root + prefix,
        ...(options.after === undefined ? {} : { StartAfter: root + options.after }),
        ...(next === undefined ? {} : { ContinuationToken: next }),
      })
      const page = await this.#way.client.send(command).catch((error: unknown) => {
        throw this.#way.error(error, 'list', prefix)
      })
      for (const { Key = '', Size = 0, LastModified = new Date(0) } of page.Contents ?? []) {
        const path = Key.slice(root.length)
        if (isPath(path)) yield { path, size: Size, modifiedAt: LastModified }
      }
      next = page.IsTruncated ? page.NextContinuationToken : undefined
    } while (next !== undefined)
  }

  async remove(paths: readonly string[]): Promise<{ path: string; reason: string }[]> {
    for (const path of paths) checkPath(path, 'remove')
    return removeObjects(this.#way, [...new Set(paths)])
  }

  async hidden(prefix: string): Promise<{ paths: string[]; reason: string | null }> {
    checkPrefix(prefix)
    const { paths, reason } = await hiddenObjects(this.#way, prefix)
    return { paths: paths.filter(isPath), reason }
  }

  abandon(ageMs: number): Promise<Abandoned> {
    return abandonUploads(this.#way, ageMs)
  }

  async close(): Promise<void> {
    this.#way.close()
  }

  /** Reads an object; a body that breaks off, which the SDK does not repeat, is asked for again from its beginning. */
  async #fetch<T>(
    operation: string,
    path: string,
    range: string | undefined,
    read: (found: GetObjectCommandOutput | 'behind') => Promise<T>,
  ): Promise<T | undefined> {
    for (let attempt = 1; ; attempt++) {
      let found: GetObjectCommandOutput | 'behind'
      try {
        found = await this.#way.client.send(new GetObjectCommand({ ...this.#way.at(path), Range: range }))
      } catch (error) {
        if (isMissing(error)) return undefined
        // The range begins behind the last byte.
        if (statusOf(error) !== 416) throw this.#way.error(error, operation, path)
        found = 'behind'
      }
      try {
        return await read(found)
      } catch (error) {
        if (!isBroken(error) || attempt >= this.#way.attempts) throw this.#way.error(error, operation, path)
        await pause(attempt)
      }
    }
  }

  /** The answer to a HEAD has no text: the same question as a GET tells a missing object from a missing bucket. */
  async #askWhy(path: string): Promise<void> {
    await this.#fetch('stat', path, 'bytes=0-0', async (found) => {
      if (found !== 'behind') await found.Body?.transformToByteArray()
    })
  }
}

function rangeHeader(range: ByteRange | undefined): string | undefined {
  if (range === undefined) return undefined
  if (range.start < 0) return `bytes=${range.start}`
  return `bytes=${range.start}-${range.end === undefined ? '' : range.end - 1}`
}

/** A connection may end in a way that looks like the end of the body. */
function checkLength(bytes: number, { ContentLength }: GetObjectCommandOutput): void {
  if (ContentLength === undefined || ContentLength === bytes) return
  const error = new Error(`${bytes} bytes arrived of ${ContentLength}`)
  error.name = 'IncompleteBody'
  throw error
}
