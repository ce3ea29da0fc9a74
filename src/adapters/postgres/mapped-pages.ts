/** Mapped events ordered by entity, in pages: the reading side of full builds (spec 04 §4.4). */
import { storedText } from '../../core/stored-text.ts'
import type { MappedRow } from '../../ports/store.ts'
import type { Row } from './connection.ts'
import { LEDGER_COLUMNS, MAPPED_COLUMNS, mappedRow, REPLAYABLE } from './ledger-rows.ts'
import { owned } from './names.ts'
import type { Space } from './space.ts'

interface Range {
  readonly afterEntity: string | null
  readonly to: number
  readonly chunk: number
}

/** Whole entities of about a chunk of mappings, or one entity that has more. */
type MappedPage = { readonly rows: MappedRow[]; readonly last: string | null } | { readonly large: string }

/**
 * Pages end between entities and hold neither connection nor snapshot while the caller works, so that a long build does
 * not keep the server from cleaning up. Only an entity with more rows than a page is streamed, on a connection of its own.
 */
export async function* mappedPages(space: Space, range: Range): AsyncGenerator<MappedRow[]> {
  let coming: Promise<MappedPage> | null = readPage(space, range, storedText(range.afterEntity ?? ''))
  try {
    while (coming !== null) {
      const page: MappedPage = await coming
      const last: string | null = 'large' in page ? page.large : page.last
      coming = last === null ? null : readPage(space, range, last)
      // A failure is reported when the page is asked for.
      coming?.catch(() => undefined)
      if ('large' in page) yield* largeEntity(space, range, page.large)
      else if (page.rows.length > 0) yield page.rows
    }
  } finally {
    await coming?.catch(() => undefined)
  }
}

async function readPage(space: Space, { to, chunk }: Range, after: string): Promise<MappedPage> {
  const { database, names, shard } = space
  // Walks event_entities_entity and looks each row up by ledger_pkey: limit and `offset 0` leave no other plan.
  const found = await database.query(
    null,
    'ledger.mappedByEntity',
    `select ${LEDGER_COLUMNS}, e.entity_id, e.entity_type
      from (select entity_id, sequence, entity_type from ${names.infra('event_entities')}
        where entity_id > $1 and sequence <= $2 and ${owned(shard, 'shard_hash')}
        order by entity_id, sequence limit $3) e
      left join lateral (select * from ${names.infra('ledger')} l where l.sequence = e.sequence and ${REPLAYABLE} offset 0) l
        on true
      order by e.entity_id, e.sequence`,
    [after, to, chunk + 1],
  )
  if (found.length <= chunk) return { rows: inOrder(found), last: null }
  // The last entity may go on: it begins the next page.
  const cut = found.at(-1)?.[ENTITY_ID] as string
  const end = found.findIndex((row) => row[ENTITY_ID] === cut)
  if (end === 0) return { large: cut }
  return { rows: inOrder(found.slice(0, end)), last: found[end - 1]?.[ENTITY_ID] as string }
}

const SEQUENCE = 0
const TIMESTAMP = 3
const ENTITY_ID = 7

/** Rows that come by entity and sequence, by entity, time and sequence; without those the ledger hides. */
function inOrder(found: readonly Row[]): MappedRow[] {
  const rows = found.filter((row) => row[SEQUENCE] !== null)
  let isSorted = true
  for (let i = 1; i < rows.length && isSorted; i += 1) {
    const [before, row] = [rows[i - 1] as Row, rows[i] as Row]
    isSorted = row[ENTITY_ID] !== before[ENTITY_ID] || (before[TIMESTAMP] as string) <= (row[TIMESTAMP] as string)
  }
  if (isSorted) return rows.map(mappedRow)
  const byEntity = Map.groupBy(rows, (row) => row[ENTITY_ID])
  return [...byEntity.values()].flatMap((own) => own.sort(byTime).map(mappedRow))
}

/** Sorts are stable, so rows of one instant stay in order of sequence. */
function byTime(a: Row, b: Row): number {
  const [x, y] = [a[TIMESTAMP] as string, b[TIMESTAMP] as string]
  return x < y ? -1 : x > y ? 1 : 0
}

async function* largeEntity({ database, names }: Space, { to, chunk }: Range, id: string): AsyncGenerator<MappedRow[]> {
  const rows = database.stream(
    'ledger.mappedByEntity',
    `select ${MAPPED_COLUMNS} from
      (select sequence, entity_id, entity_type from ${names.infra('event_entities')}
        where entity_id = $1 and sequence <= $2 offset 0) e
      cross join lateral (select * from ${names.infra('ledger')} l where l.sequence = e.sequence and ${REPLAYABLE} offset 0) l
      order by l.timestamp, l.sequence`,
    [id, to],
    chunk,
  )
  for await (const part of rows) yield part.map(mappedRow)
}
