/**
 * Everything about one person, from every tier (spec 10 §10): to look at, and as a folder of files to hand over. The folder is
 * in the list of exports before its first byte, so that an erasure knows of it.
 */
import { randomUUID } from 'node:crypto'
import { rm, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { stringifyJson } from './core/expression/json.ts'
import type { Edition, Engine } from './engine/engine.ts'
import {
  type SubjectData,
  type SubjectIdentity,
  type SubjectMerge,
  subjectData,
} from './engine/privacy/subject-data.ts'
import { unknownEntity } from './engine/privacy/unknown.ts'
import { StorageError } from './errors.ts'
import { entityTimeline, type LedgerEventView, view } from './inspection.ts'
import { SUBJECT_FILES } from './ports/export-purge.ts'
import type { ExportLog, ExportRecord, ExportTable, ExportWriters } from './ports/exports.ts'
import type { FrozenEntity } from './ports/privacy.ts'
import type { Queries } from './queries.ts'
import type { Timeline } from './results.ts'

export type { SubjectIdentity, SubjectMerge }

export interface SubjectParts {
  readonly engine: Engine
  /** What is read. */
  readonly edition: Edition
  readonly queries: Queries
  readonly writers: ExportWriters
  /** Refuses while it is not known what has to be erased again. */
  readonly log: ExportLog
}

export interface SubjectExportOptions {
  readonly signal?: AbortSignal
}

type Row = Readonly<Record<string, unknown>>

const EVENT_COLUMNS = [
  'sequence',
  'event_id',
  'event_type',
  'timestamp',
  'source',
  'data',
  'raw',
  'resolution_hints',
  'duplicate_of',
]

/** One person, as the space has it now. What is large is read when it is asked for. */
export class Subject {
  readonly entityId: string
  readonly entityType: string
  /** The survivor first, then all that were merged into it. */
  readonly entities: readonly FrozenEntity[]
  readonly identity: readonly SubjectIdentity[]
  readonly merges: readonly SubjectMerge[]
  readonly #parts: SubjectParts
  readonly #data: SubjectData

  private constructor(parts: SubjectParts, data: SubjectData, survivor: FrozenEntity) {
    this.#parts = parts
    this.#data = data
    this.entityId = survivor.id
    this.entityType = survivor.type
    this.entities = data.entities
    this.identity = data.identity
    this.merges = data.merges
  }

  /** @throws NotFoundError if nobody has the id */
  static async of(parts: SubjectParts, entityId: string): Promise<Subject> {
    const data = await subjectData(parts.engine, entityId)
    const survivor = data?.entities[0]
    if (data === null || survivor === undefined) {
      throw unknownEntity(entityId)
    }
    return new Subject(parts, data, survivor)
  }

  /** With what was received, from database and archive, in order of sequence. */
  async *events(): AsyncGenerator<LedgerEventView, void, void> {
    for await (const rows of this.#data.events()) for (const row of rows) yield view(row)
  }

  timeline(): Promise<Timeline> {
    const { engine, edition } = this.#parts
    return entityTimeline(engine, edition, this.entityId, { all: true })
  }

  /** Rows of the version that is read; none where it does not know the type. */
  async history(): Promise<readonly Row[]> {
    const { edition, queries } = this.#parts
    if (edition.program.definitions.entities[this.entityType] === undefined) return []
    const ids = this.entities.map(({ id }) => id)
    const rows = queries.history(this.entityType as never).filter({ [`${this.entityType}_id`]: ids } as never)
    return (await rows.orderBy('valid_from' as never).rows()) as readonly Row[]
  }

  /** Past ones too, from and to the person. */
  async relationships(): Promise<readonly Row[]> {
    const ids = this.entities.map(({ id }) => id)
    const rows = this.#parts.queries.relationships({ history: true })
    const own = rows.filter({ or: [{ source_id: ids }, { target_id: ids }] } as never)
    return (await own.orderBy('valid_from' as never).rows()) as readonly Row[]
  }

  /** Writes `subject.json` with everything, and its parts as CSV. Files of an earlier export in the folder are replaced. */
  async export(directory: string, { signal }: SubjectExportOptions = {}): Promise<ExportRecord> {
    const { engine, edition, writers, log } = this.#parts
    const folder = resolve(directory)
    const row = {
      exportId: randomUUID(),
      path: folder,
      format: 'subject',
      version: edition.version,
      entityTypes: [...new Set(this.entities.map(({ type }) => type))],
      at: engine.now().toString(),
    } as const
    await assertFolder(folder)
    await log.begin(row)
    // They may be about somebody else.
    for (const name of SUBJECT_FILES) await rm(join(folder, name), { force: true })
    const options = signal === undefined ? {} : { signal }
    const [timeline, history, relationships] = await Promise.all([
      this.timeline(),
      this.history(),
      this.relationships(),
    ])
    const whole = this.#json({ at: row.at, timeline, history, relationships })
    let bytes = (await writers.text(join(folder, 'subject.json'), whole, options)).bytes ?? 0
    let rows = 0
    const tables = [
      { name: 'events', columns: EVENT_COLUMNS, chunks: this.#eventRows() },
      tableOf('history', history, [`${this.entityType}_id`, `${this.entityType}_state`]),
      tableOf('identity', this.identity.map(identityRow), [
        'entity_id',
        'entity_type',
        'hint_type',
        'value',
        'redacted',
      ]),
      tableOf('relationships', relationships, [
        'source_id',
        'target_id',
        'relationship_type',
        'valid_from',
        'valid_to',
      ]),
    ]
    for (const { name, columns, chunks } of tables) {
      const table: ExportTable = { name, columns: columns.map((column) => ({ name: column, type: 'unknown' })), chunks }
      const written = await writers.csv(join(folder, `${name}.csv`), table, options)
      rows += written.rows
      bytes += written.bytes ?? 0
    }
    await log.finish(row.exportId, { rows, bytes })
    return { ...row, rows, bytes, recorded: true }
  }

  /** Piece by piece: a person may have any number of events. */
  async *#json(read: {
    readonly at: string
    readonly timeline: Timeline
    readonly history: readonly Row[]
    readonly relationships: readonly Row[]
  }): AsyncGenerator<string, void, void> {
    const { engine, edition } = this.#parts
    const head = {
      v: 1,
      space: engine.store.spaceId,
      exported_at: read.at,
      version: edition.version,
      entities: this.entities,
      identity: this.identity.map(identityRow),
      merges: this.merges,
      history: read.history,
      relationships: read.relationships,
      timeline: read.timeline.entries,
    }
    yield `${stringifyJson(head).slice(0, -1)},"events":[`
    let first = true
    for await (const event of this.events()) {
      yield `${first ? '' : ','}\n${stringifyJson(eventRow(event))}`
      first = false
    }
    yield '\n]}\n'
  }

  async *#eventRows(): AsyncGenerator<readonly (readonly unknown[])[], void, void> {
    for await (const rows of this.#data.events()) {
      yield rows.map((row) => Object.values(eventRow(view(row))))
    }
  }
}

/** Said before anything is in the list of exports, or removed. */
async function assertFolder(folder: string): Promise<void> {
  const found = await stat(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw new StorageError(`${folder} cannot be written to (${error.code}); name another folder`, {
      details: { operation: 'export', path: folder },
      cause: error,
    })
  })
  if (found === null || found.isDirectory()) return
  throw new StorageError(`${folder} is a file; name a folder that the files of the export go into`, {
    details: { operation: 'export', path: folder },
  })
}

/** In the order of the columns. */
function eventRow(event: LedgerEventView): Row {
  const { sequence, eventId, eventType, timestamp, source, data, raw, resolutionHints, duplicateOf } = event
  return {
    sequence,
    event_id: eventId,
    event_type: eventType,
    timestamp,
    source,
    data,
    raw,
    resolution_hints: resolutionHints,
    duplicate_of: duplicateOf,
  }
}

function identityRow({ entityId, entityType, hintType, value, redacted }: SubjectIdentity): Row {
  return { entity_id: entityId, entity_type: entityType, hint_type: hintType, value, redacted }
}

function tableOf(
  name: string,
  rows: readonly Row[],
  otherwise: readonly string[],
): { name: string; columns: readonly string[]; chunks: ExportTable['chunks'] } {
  const columns = rows[0] === undefined ? otherwise : Object.keys(rows[0])
  const chunks = async function* (): AsyncGenerator<readonly (readonly unknown[])[]> {
    if (rows.length > 0) yield rows.map((row) => columns.map((column) => row[column]))
  }
  return { name, columns, chunks: chunks() }
}
