/** Files of which only the footer and some row groups are local, as sparse files of the full size. */
import { open } from 'node:fs/promises'
import type { PartialFiles, RowGroup } from './codec.ts'
import { CodecError } from './codec.ts'
import { type DuckSession, quoted } from './duckdb-session.ts'

/** Length of the footer's metadata, and the mark that ends every Parquet file. */
const TRAILER = 8
const MARK = 'PAR1'

export function partialFiles(session: DuckSession): PartialFiles {
  return {
    footerBytes,
    async begin(file, size, end) {
      await using handle = await open(file, 'w')
      await handle.truncate(size)
      await handle.write(end, 0, end.length, size - end.length)
      return rowGroups(session, file)
    },
    async fill(file, at, bytes) {
      await using handle = await open(file, 'r+')
      await handle.write(bytes, 0, bytes.length, at)
    },
  }
}

function footerBytes(end: Uint8Array): number {
  const trailer = Buffer.from(end.buffer, end.byteOffset + end.length - TRAILER, TRAILER)
  if (trailer.toString('latin1', 4) !== MARK) {
    throw new CodecError('No magic bytes found at end of file', { details: { operation: 'parquet' } })
  }
  return trailer.readUInt32LE(0) + TRAILER
}

/** Null unless row groups follow one another by sequence, as their statistics say, and nothing else is asked of them. */
async function rowGroups(session: DuckSession, file: string): Promise<RowGroup[] | null> {
  const found = await session.use((connection) =>
    connection.runAndReadAll(`
with chunks as (
  select
    row_group_id, row_group_num_rows, total_compressed_size,
    least(data_page_offset, coalesce(nullif(dictionary_page_offset, 0), data_page_offset)) as start,
    path_in_schema = 'sequence' and type = 'INT64' and bloom_filter_offset is null as key,
    coalesce(stats_min_value, stats_min) as lowest, coalesce(stats_max_value, stats_max) as highest
  from parquet_metadata(${quoted(file)})
)
select
  any_value(try_cast(lowest as bigint)) filter (key)::double,
  any_value(try_cast(highest as bigint)) filter (key)::double,
  min(start)::double,
  max(start + total_compressed_size)::double
from chunks where row_group_num_rows > 0
group by row_group_id order by row_group_id`),
  )
  const groups: RowGroup[] = []
  let reached = -1
  for (const [first, last, start, end] of found.getRows() as (number | null)[][]) {
    if (typeof first !== 'number' || typeof last !== 'number' || first <= reached || last < first) return null
    if (typeof start !== 'number' || typeof end !== 'number') return null
    groups.push({ first, last, start, end })
    reached = last
  }
  return groups
}
