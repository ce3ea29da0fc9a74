/** Objects of a bucket as parts of an input, known by their ETag (spec 10 §3.3). Load it lazily: the SDK is large. */
import { createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, matchesGlob } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
} from '@aws-sdk/client-s3'
import type { S3Input } from '../../core/pipeline/model.ts'
import { inputChanged, type StorageError } from '../../errors.ts'
import type { InputPart, StoredParts } from '../../ports/inputs.ts'
import { parseBucketUrl } from './paths.ts'
import { type S3Options, S3Way } from './s3-client.ts'
import { pause } from './s3-create.ts'
import { isBroken, isMissing, isTaken, statusOf } from './s3-errors.ts'

export type S3Place = Pick<S3Input, 'url' | 'pattern' | 'storage' | 'settleMs' | 'after' | 'moveTo'>

/** Names may say too much; errors name the bucket alone. */
const A_PART = 'a part of the input'

export class S3Parts implements StoredParts {
  readonly #way: S3Way
  readonly #place: S3Place
  /** Where done parts go; null: they stay. */
  readonly #done: { readonly name: string; readonly prefix: string } | null

  /** `options`: beside those of the input itself. */
  constructor(place: S3Place, options: S3Options = {}) {
    this.#place = place
    this.#way = new S3Way(place.url, { ...optionsOf(place.storage), ...options })
    this.#done = place.after === 'move' && place.moveTo !== null ? targetOf(place.moveTo, this.#way.bucket.name) : null
  }

  async list(): Promise<InputPart[]> {
    const { name, prefix } = this.#way.bucket
    const parts: InputPart[] = []
    let next: string | undefined
    do {
      const command = new ListObjectsV2Command({ Bucket: name, Prefix: prefix, ContinuationToken: next })
      const page = await this.#way.client.send(command).catch((error: unknown) => {
        throw this.#way.error(error, 'list', 'the objects')
      })
      for (const { Key = '', ETag = '', LastModified } of page.Contents ?? []) {
        if (!this.#isPart(Key)) continue
        const age = Date.now() - (LastModified?.getTime() ?? 0)
        parts.push({ part: Key, fingerprint: ETag, settled: age >= this.#place.settleMs })
      }
      next = page.IsTruncated ? page.NextContinuationToken : undefined
    } while (next !== undefined)
    return parts.sort((a, b) => (a.part < b.part ? -1 : 1))
  }

  /** A body that breaks off is asked for again from where it was. */
  async *open({ part, fingerprint }: InputPart, from: number, signal: AbortSignal): AsyncGenerator<Buffer> {
    let at = from
    for (let attempt = 1; ; attempt++) {
      const begun = at
      try {
        const command = new GetObjectCommand({
          ...this.#at(part),
          IfMatch: fingerprint,
          ...(at === 0 ? {} : { Range: `bytes=${at}-` }),
        })
        const { Body, ContentLength } = await this.#way.client.send(command, { abortSignal: signal })
        for await (const chunk of Body as Readable) {
          at += (chunk as Buffer).length
          yield chunk as Buffer
        }
        if (ContentLength === undefined || at - begun === ContentLength) return
        throw brokenOff()
      } catch (error) {
        signal.throwIfAborted()
        // The range begins behind the last byte.
        if (statusOf(error) === 416) return
        if (!isBroken(error) || (at === begun && attempt >= this.#way.attempts)) throw this.#error(error, 'read')
        if (at > begun) attempt = 1
        await pause(attempt)
      }
    }
  }

  async local(part: InputPart, signal: AbortSignal): Promise<{ path: string; release(): Promise<void> }> {
    const folder = await mkdtemp(join(tmpdir(), 'defacto-input-'))
    const release = (): Promise<void> => rm(folder, { recursive: true, force: true })
    try {
      const path = join(folder, 'part')
      await pipeline(Readable.from(this.open(part, 0, signal)), createWriteStream(path))
      return { path, release }
    } catch (error) {
      await release()
      throw error
    }
  }

  /** Every request was on condition that it is. */
  async isUnchanged(): Promise<boolean> {
    return true
  }

  async continues(): Promise<boolean> {
    return false
  }

  async finish({ part, fingerprint }: Pick<InputPart, 'part' | 'fingerprint'>): Promise<void> {
    if ((await this.#tagOf(this.#at(part))) !== fingerprint) return
    try {
      if (this.#done !== null) await this.#copy(part, fingerprint, this.#done)
      else if (this.#place.after !== 'delete') return
      await this.#way.client.send(new DeleteObjectCommand(this.#at(part)))
    } catch (error) {
      if (isMissing(error) || isTaken(error)) return
      throw this.#error(error, this.#place.after)
    }
  }

  async close(): Promise<void> {
    this.#way.close()
  }

  #isPart(key: string): boolean {
    const { name, prefix } = this.#way.bucket
    if (key.endsWith('/')) return false
    if (this.#done !== null && this.#done.name === name && key.startsWith(this.#done.prefix)) return false
    return this.#place.pattern === null || matchesGlob(key.slice(prefix.length), this.#place.pattern)
  }

  #at(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#way.bucket.name, Key: key }
  }

  async #tagOf(at: { Bucket: string; Key: string }): Promise<string | null> {
    try {
      return (await this.#way.client.send(new HeadObjectCommand(at))).ETag ?? null
    } catch (error) {
      if (isMissing(error)) return null
      throw this.#error(error, 'stat')
    }
  }

  /** Under its name below the input's prefix; never over another object. */
  async #copy(key: string, tag: string, done: { readonly name: string; readonly prefix: string }): Promise<void> {
    const inside = key.slice(this.#way.bucket.prefix.length)
    let target = { Bucket: done.name, Key: done.prefix + inside }
    const there = await this.#tagOf(target)
    if (there === tag) return
    if (there !== null) target = { ...target, Key: `${target.Key}.${tag.replaceAll('"', '')}` }
    const source = [this.#way.bucket.name, ...key.split('/')].map(encodeURIComponent).join('/')
    await this.#way.client.send(
      new CopyObjectCommand({ ...target, ...this.#way.encryption, CopySource: source, CopySourceIfMatch: tag }),
    )
  }

  #error(error: unknown, operation: string): StorageError {
    if (isMissing(error) || isTaken(error)) return inputChanged()
    return this.#way.error(error, operation, A_PART)
  }
}

/** Options of an input are texts. */
function optionsOf({ region, endpoint, pathStyle }: S3Place['storage']): S3Options {
  return {
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(pathStyle === undefined ? {} : { pathStyle: pathStyle === 'true' }),
  }
}

/** `s3://bucket/prefix/`, or a prefix of the same bucket. */
function targetOf(text: string, bucket: string): { name: string; prefix: string } {
  return parseBucketUrl(/^s3a?:/i.test(text) ? text : `s3://${bucket}/${text}`)
}

function brokenOff(): Error {
  const error = new Error('the body ended too early')
  error.name = 'IncompleteBody'
  return error
}
