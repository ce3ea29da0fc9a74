/** A local copy of one data file: whole, or with only the row groups that somebody wanted so far. */
import type { ObjectStore } from '../../ports/objects.ts'
import { type ByteRange, ByteRanges, requests } from './byte-ranges.ts'
import { CodecError, type LocalCopy, type ParquetCodec, type PartialFiles, type RowGroup } from './codec.ts'
import { damagedFile } from './context.ts'
import { objectPath } from './log-names.ts'
import type { LocalFile, Workspace } from './workspace.ts'

/** Bytes at the end of a file that its footer is looked for in first. */
const TAIL = 65_536

/** Files up to this size are fetched whole. */
const SMALL = 4 * TAIL

/** Most bytes of one request, and requests at the same time. */
const REQUEST = 8_388_608
const PARALLEL = 4

export interface CopySource {
  readonly objects: ObjectStore
  readonly codec: ParquetCodec
  readonly workspace: Workspace
  /** What to say of a file that is not there. */
  missing(path: string): Promise<Error>
}

export interface StoredFile {
  readonly path: string
  readonly bytes: number
}

/** Does the row group hold wanted rows? */
export type Needs = (group: RowGroup) => boolean

export class FileCopy {
  readonly file: StoredFile
  readonly #source: CopySource
  readonly #object: string
  readonly #have = new ByteRanges()
  #local: LocalFile | null = null
  #groups: readonly RowGroup[] | null = null
  /** Fetches follow one another, so that no byte is fetched twice. */
  #work: Promise<unknown> = Promise.resolve()
  users = 0

  constructor(source: CopySource, file: StoredFile) {
    const object = objectPath(file.path)
    if (object === null) throw damagedFile(file.path, 'its address lies outside the table')
    this.file = file
    this.#source = source
    this.#object = object
  }

  /** Bytes that are local. */
  get bytes(): number {
    return this.#have.bytes
  }

  /** @param needs the row groups that must be local; null: the whole file */
  async fetched(needs: Needs | null): Promise<LocalCopy> {
    const fetch = this.#work.then(() => this.#fetch(needs))
    this.#work = fetch.catch(() => {})
    try {
      return await fetch
    } catch (error) {
      if (error instanceof CodecError) throw damagedFile(this.file.path, error.message, error)
      throw error
    }
  }

  async dispose(): Promise<void> {
    await this.#local?.[Symbol.asyncDispose]()
  }

  async #fetch(needs: Needs | null): Promise<LocalCopy> {
    this.#local ??= await this.#source.workspace.file('data.parquet')
    const { path } = this.#local
    const { partial } = this.#source.codec
    if (this.#isWhole()) return { path, groups: null }
    if (this.#groups === null && partial !== null && needs !== null && this.file.bytes > SMALL) {
      this.#groups = await this.#begin(path, partial)
    }
    if (this.#groups === null || partial === null) {
      await this.#download(path)
      return { path, groups: null }
    }
    const groups = needs === null ? null : this.#groups.filter(needs)
    await this.#fill(path, partial, groups ?? [{ start: 0, end: this.file.bytes }])
    return { path, groups: this.#isWhole() ? null : groups }
  }

  #isWhole(): boolean {
    return this.#have.bytes === this.file.bytes
  }

  async #download(path: string): Promise<void> {
    const { bytes } = this.file
    const size = await this.#source.objects.download(this.#object, path)
    if (size === undefined) throw await this.#source.missing(this.file.path)
    if (size !== bytes) throw damagedFile(this.file.path, `it has ${size} bytes instead of ${bytes}`)
    this.#have.add({ start: 0, end: bytes })
  }

  /** Fetches the footer; null if the file has to be fetched whole. */
  async #begin(path: string, partial: PartialFiles): Promise<readonly RowGroup[] | null> {
    const size = this.file.bytes
    let end = await this.#get({ start: size - TAIL, end: size })
    const footer = partial.footerBytes(end)
    if (footer > size) throw damagedFile(this.file.path, 'its footer is longer than the file')
    if (footer > end.length) {
      end = Buffer.concat([await this.#get({ start: size - footer, end: size - end.length }), end])
    }
    const groups = await partial.begin(path, size, end)
    if (groups !== null) this.#have.add({ start: size - end.length, end: size })
    return groups
  }

  async #fill(path: string, partial: PartialFiles, wanted: readonly ByteRange[]): Promise<void> {
    const ranges = requests(
      wanted.flatMap((range) => this.#have.missing(range)),
      REQUEST,
    )
    for (let at = 0; at < ranges.length; at += PARALLEL) {
      const outcomes = await Promise.allSettled(
        ranges.slice(at, at + PARALLEL).map(async (range) => {
          await partial.fill(path, range.start, await this.#get(range))
          this.#have.add(range)
        }),
      )
      const failed = outcomes.find((one) => one.status === 'rejected')
      if (failed !== undefined) throw failed.reason
    }
  }

  async #get(range: ByteRange): Promise<Uint8Array> {
    const bytes = await this.#source.objects.get(this.#object, range)
    if (bytes === undefined) throw await this.#source.missing(this.file.path)
    if (bytes.length === range.end - range.start) return bytes
    throw damagedFile(this.file.path, `it ends before byte ${range.end} of ${this.file.bytes}`)
  }
}
