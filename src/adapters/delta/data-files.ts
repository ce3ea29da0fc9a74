/** Data files on their way to and from object storage. Nothing is committed that was not fetched back and compared. */
import type { ArchiveRow } from '../../ports/archive.ts'
import type { Add, Remove } from './actions.ts'
import { CodecError, type FileFacts, type FileWriter, type FoundFacts, type WrittenFacts } from './codec.ts'
import { COLUMNS } from './columns.ts'
import { type Context, damagedFile } from './context.ts'
import { dataPath, objectPath } from './log-names.ts'
import { versionGone } from './log-reader.ts'
import { FactsCollector } from './row-digest.ts'
import { formatStats } from './statistics.ts'
import { DIGEST_TAG } from './table-state.ts'
import type { LocalFile } from './workspace.ts'

const ROWS_TAG = 'defacto.rows'

/** Uploads a finished local file under a fresh name, fetches it back, compares, and says how to add it to the table. */
async function upload(context: Context, local: string, facts: WrittenFacts, dataChange: boolean): Promise<Add> {
  const path = dataPath(facts.first, facts.last, context.newId())
  await context.objects.upload(path, local)
  const problems = await differences(context, path, facts)
  if (problems.length > 0) throw damagedFile(path, `after writing, ${problems.join(', ')}`)
  return {
    path,
    partitionValues: {},
    size: facts.bytes,
    modificationTime: context.now().getTime(),
    dataChange,
    stats: formatStats(facts),
    tags: { [ROWS_TAG]: String(facts.rows), [DIGEST_TAG]: facts.digest },
  }
}

/** What the stored file has otherwise than it should; empty if nothing. */
async function differences(context: Context, path: string, facts: WrittenFacts): Promise<string[]> {
  await using local = await context.workspace.file('back.parquet')
  const stored = await context.objects.download(path, local.path)
  if (stored === undefined) return ['it is not there']
  if (stored !== facts.bytes) return [`it has ${stored} bytes instead of ${facts.bytes}`]
  const found = await inspect(context, path, local.path)
  return compare(found, facts)
}

export function compare(found: FoundFacts, facts: FileFacts): string[] {
  return [
    ...(found.footerRows === facts.rows ? [] : [`its footer counts ${found.footerRows} rows instead of ${facts.rows}`]),
    ...(found.rows === facts.rows ? [] : [`it holds ${found.rows} rows instead of ${facts.rows}`]),
    ...(found.first === facts.first && found.last === facts.last
      ? []
      : [`its sequences are ${found.first} to ${found.last} instead of ${facts.first} to ${facts.last}`]),
    ...(found.ascending ? [] : ['its sequences do not ascend']),
    ...(found.digest === facts.digest ? [] : ['its content has another digest']),
  ]
}

/** @throws StorageError that names the object if the file cannot be decoded */
export async function inspect(context: Context, path: string, local: string): Promise<FoundFacts> {
  try {
    return await context.codec.inspect(local)
  } catch (error) {
    if (error instanceof CodecError) throw damagedFile(path, error.message, error)
    throw error
  }
}

/** A live file as it is stored now, not as a reader before saw it; the local copy goes when the caller is done. */
export async function fetchFile(context: Context, path: string, bytes: number): Promise<LocalFile> {
  const object = objectPath(path)
  if (object === null) throw damagedFile(path, 'its address lies outside the table')
  const local = await context.workspace.file('data.parquet')
  try {
    const size = await context.objects.download(object, local.path)
    if (size === undefined) throw await missing(context, path)
    if (size !== bytes) throw damagedFile(path, `it has ${size} bytes instead of ${bytes}`)
    return local
  } catch (error) {
    await local[Symbol.asyncDispose]()
    throw error
  }
}

/** Gone because the version being read is gone, or gone although the table still needs it. */
export async function missing(context: Context, path: string): Promise<Error> {
  const state = await context.log.newest()
  return state?.files.has(path) === true ? damagedFile(path, 'it is missing') : versionGone()
}

/** All rows of one live file by sequence; fails at the end if they are not what was once written. */
export async function* rowsOfFile(context: Context, add: Add): AsyncGenerator<ArchiveRow[]> {
  await using local = await fetchFile(context, add.path, add.size)
  const digest = add.tags?.[DIGEST_TAG]
  const facts = new FactsCollector()
  try {
    for await (const rows of context.codec.read({
      files: [{ path: local.path, groups: null }],
      after: 0,
      to: Number.MAX_SAFE_INTEGER,
      sequences: null,
      columns: COLUMNS.map(({ field }) => field),
      order: digest === undefined ? 'sequence' : 'file',
    })) {
      facts.addRows(rows)
      yield rows
    }
  } catch (error) {
    if (error instanceof CodecError) throw damagedFile(add.path, error.message, error)
    throw error
  }
  if (digest !== undefined && digest !== facts.facts().digest) {
    throw damagedFile(add.path, 'its content has another digest than when it was written')
  }
}

export function removeOf(add: Add, now: number, dataChange: boolean): Remove {
  return {
    path: add.path,
    deletionTimestamp: now,
    dataChange,
    extendedFileMetadata: true,
    partitionValues: add.partitionValues ?? {},
    size: add.size,
  }
}

/** A data file that is being written locally. */
export class NewFile {
  readonly #context: Context
  readonly #local: LocalFile
  readonly #writer: FileWriter
  /** Rows and bytes of columns so far. */
  rows = 0
  bytes = 0

  private constructor(context: Context, local: LocalFile, writer: FileWriter) {
    this.#context = context
    this.#local = local
    this.#writer = writer
  }

  static async begin(context: Context): Promise<NewFile> {
    const local = await context.workspace.file('new.parquet')
    return new NewFile(context, local, await context.codec.writeData(local.path))
  }

  async add(rows: readonly ArchiveRow[]): Promise<void> {
    await this.#writer.add(rows)
    this.rows += rows.length
    for (const row of rows) this.bytes += bytesOf(row)
  }

  /** Finishes and uploads it; null if it has no rows. */
  async store(dataChange: boolean): Promise<{ add: Add; facts: FileFacts } | null> {
    const facts = await this.#writer.finish()
    return facts === null ? null : { facts, add: await upload(this.#context, this.#local.path, facts, dataChange) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#writer.abandon()
    await this.#local[Symbol.asyncDispose]()
  }
}

/** About what the row takes uncompressed. */
function bytesOf(row: ArchiveRow): number {
  const { eventId, eventType, timestamp, source, data, raw, hints, kinds, redaction } = row
  const texts = [eventId, eventType, timestamp, source, data, raw, hints, kinds, redaction]
  return texts.reduce((sum, text) => sum + (text?.length ?? 0), 32)
}
