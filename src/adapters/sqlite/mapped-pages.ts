/** Mapped events ordered by entity, in pages: the reading side of full builds (spec 04 §4.4). */
import type { MappedRow } from '../../ports/store.ts'
import type { Connection, Row } from './connection.ts'
import type { Database } from './database.ts'
import { storageError } from './errors.ts'
import { MAPPED_COLUMNS, mappedRow } from './ledger-rows.ts'

/**
 * Pages end between entities and hold no snapshot while the caller works, so that the write-ahead log can be emptied
 * during a long build. Only an entity with more rows than a page is cut, and keeps its snapshot until it is done.
 */
export async function* mappedPages(
  database: Database,
  replayable: string,
  options: { afterEntity: string | null; after?: number; to: number; chunk: number },
): AsyncIterable<MappedRow[]> {
  const { after: above = 0, to, chunk } = options
  // Walks event_entities_entity; SQLite then sorts only within each entity.
  const select = `select ${MAPPED_COLUMNS}
    from event_entities e indexed by event_entities_entity cross join ledger l on l.sequence = e.sequence`
  const order = 'order by e.entity_id, l.timestamp, l.sequence'
  const page = `${select} where e.entity_id > ? and e.entity_id <= ? and e.sequence > ? and e.sequence <= ? and ${replayable} ${order}`
  const single = `${select} where e.entity_id = ? and e.sequence > ? and e.sequence <= ? and ${replayable} ${order}`
  let after = options.afterEntity ?? ''
  while (true) {
    const from = after
    const last = await database.read(null, 'ledger.mappedByEntity', (connection) => pageEnd(connection, from, chunk))
    if (last === null) return
    if (last.large) yield* singlePages(database, single, [last.entityId, above, to], chunk)
    else {
      const rows = await database.read(null, 'ledger.mappedByEntity', (connection) =>
        connection.all(page, from, last.entityId, above, to),
      )
      if (rows.length > 0) yield rows.map(mappedRow)
    }
    after = last.entityId
  }
}

/** The last entity of the page behind `after`: whole entities of about `chunk` mappings, or one large entity alone. */
function pageEnd(connection: Connection, after: string, chunk: number): { entityId: string; large: boolean } | null {
  const at = 'select entity_id from event_entities where entity_id > ? order by entity_id limit 1 offset ?'
  const first = connection.get(at, after, 0)?.[0] as string | undefined
  if (first === undefined) return null
  const end = connection.get(at, after, chunk)?.[0] as string | undefined
  if (end === undefined) {
    return { entityId: connection.get('select max(entity_id) from event_entities')?.[0] as string, large: false }
  }
  if (end === first) return { entityId: first, large: true }
  // `end` has rows on both sides of the page limit: it begins the next page.
  const before = 'select max(entity_id) from event_entities where entity_id < ?'
  return { entityId: connection.get(before, end)?.[0] as string, large: false }
}

async function* singlePages(
  database: Database,
  sql: string,
  params: (string | number)[],
  chunk: number,
): AsyncIterable<MappedRow[]> {
  const own = database.inMemory ? null : database.openReader()
  try {
    const connection = own ?? (await database.read(null, 'ledger.mappedByEntity', (shared) => shared))
    const rows = connection.iterate(sql, ...params)
    for (let part = take(rows, chunk, database); part.length > 0; part = take(rows, chunk, database)) yield part
  } finally {
    own?.close()
  }
}

function take(rows: Iterator<Row>, limit: number, database: Database): MappedRow[] {
  const part: MappedRow[] = []
  try {
    while (part.length < limit) {
      const next = rows.next()
      if (next.done === true) break
      part.push(mappedRow(next.value))
    }
  } catch (error) {
    throw storageError(error, 'ledger.mappedByEntity', database.location)
  }
  return part
}
