/** Mapped events ordered by entity, in pages: the reading side of full builds (spec 04 §4.4). */
import { givenText, storedText } from '../../core/stored-text.ts'
import type { MappedRow } from '../../ports/store.ts'
import type { Row } from './connection.ts'
import { MAPPED_COLUMNS, mappedRow, REPLAYABLE } from './ledger-rows.ts'
import { owned } from './names.ts'
import type { Space } from './space.ts'

interface Range {
  readonly afterEntity: string | null
  /** Events above it only; default 0. */
  readonly after?: number
  readonly to: number
  /** Rows handed out at a time. */
  readonly chunk: number
  /** Mappings sorted at a time. */
  readonly page?: number
}

/**
 * The server sorts so many rows at a time, in a temporary file of some 30 MB. Each page goes once through the ledger in
 * order of sequence, so that larger pages read fewer blocks again and smaller ones answer sooner.
 */
const PAGE = 100_000

/**
 * Each page holds whole entities and is read in one snapshot, on a connection of its own. So a long build neither keeps
 * the server from cleaning up nor makes it sort the whole ledger. While the caller works on the last chunk of a page, the
 * server sorts the next.
 */
export async function* mappedPages(space: Space, range: Range): AsyncGenerator<MappedRow[]> {
  let coming: Promise<Page | null> = openPage(space, range, range.afterEntity ?? '')
  try {
    while (true) {
      const page = await coming
      if (page === null) return
      const { rows, last } = page
      let chunk = page.first
      coming = Promise.resolve(null)
      try {
        while (chunk.done !== true) {
          const following = await rows.next()
          if (following.done === true) {
            coming = last === null ? coming : openPage(space, range, last)
            // A failure is reported when the page is asked for.
            coming.catch(() => undefined)
          }
          yield chunk.value.map(mappedRow)
          chunk = following
        }
      } finally {
        await rows.return(undefined)
      }
    }
  } finally {
    const page = await coming.catch(() => null)
    await page?.rows.return(undefined)
  }
}

interface Page {
  /** Its last entity; null: there is no other page. */
  readonly last: string | null
  readonly first: IteratorResult<Row[]>
  readonly rows: AsyncGenerator<Row[]>
}

/** The first page behind `after` that has rows; null if there is none. */
async function openPage(space: Space, range: Range, after: string): Promise<Page | null> {
  const { database, names, shard } = space
  for (let from = after; ; ) {
    const last = await pageEnd(space, range, from)
    const bound = last === null ? '' : 'and entity_id <= $4'
    // A range of event_entities_entity, then ledger_pkey in order of sequence, which is how rows lie on the disk.
    // `offset 0` keeps it so whatever the statistics say.
    const rows = database.stream(
      'ledger.mappedByEntity',
      `select ${MAPPED_COLUMNS} from
        (select sequence, entity_id, entity_type from ${names.infra('event_entities')}
          where entity_id > $1 and sequence > $2 and sequence <= $3 ${bound} and ${owned(shard, 'shard_hash')}
          order by sequence offset 0) e
        cross join lateral
          (select * from ${names.infra('ledger')} l where l.sequence = e.sequence and ${REPLAYABLE} offset 0) l
        order by e.entity_id, l.timestamp, l.sequence`,
      [storedText(from), range.after ?? 0, range.to, ...(last === null ? [] : [storedText(last)])],
      range.chunk,
    )
    const first = await rows.next()
    if (first.done !== true) return { last, first, rows }
    if (last === null) return null
    from = last
  }
}

/** The last entity of the page behind `from`: whole entities of at most a page, or a larger one alone. Null: all the rest. */
async function pageEnd(
  { database, names, shard }: Space,
  { after = 0, to, page = PAGE }: Range,
  from: string,
): Promise<string | null> {
  const mappings = names.infra('event_entities')
  const rest = `entity_id > $1 and sequence > $2 and sequence <= $3 and ${owned(shard, 'shard_hash')}`
  // Walks event_entities_entity. `cut` has rows on both sides of the limit: it begins the next page.
  const [row] = await database.query(
    null,
    'ledger.mappedByEntity',
    `with cut as (select entity_id from ${mappings} where ${rest} order by entity_id, sequence offset $4 limit 1)
      select cut.entity_id, (select entity_id from ${mappings} where ${rest} and entity_id < cut.entity_id
        order by entity_id desc limit 1) from cut`,
    [storedText(from), after, to, page],
  )
  if (row === undefined) return null
  return givenText((row[1] ?? row[0]) as string)
}
