/** Rows joined with their entities by DuckDB: members go into a table, join and order use the disk where they must. */
import { BIGINT, type DuckDBAppender, type DuckDBConnection, DuckDBDataChunk, VARCHAR } from '@duckdb/node-api'
import type { MemberRow } from '../../ports/archive.ts'
import type { Member } from '../../ports/tiers.ts'
import type { LocalCopy, MemberJoin, ReadQuery } from './codec.ts'
import { packed, tableOf, unpacked } from './duckdb-read.ts'
import { codecError, type DuckSession, VECTOR } from './duckdb-session.ts'

export async function joinMembers(session: DuckSession): Promise<MemberJoin> {
  const connection = await session.connect()
  try {
    await connection.run('create temp table members (sequence bigint, entity_id varchar, entity_type varchar)')
    return new DuckMemberJoin(session, connection, await connection.createAppender('members', 'main', 'temp'))
  } catch (error) {
    connection.closeSync()
    throw codecError(error)
  }
}

class DuckMemberJoin implements MemberJoin {
  readonly #session: DuckSession
  readonly #connection: DuckDBConnection
  readonly #appender: DuckDBAppender
  readonly #chunk = DuckDBDataChunk.create([BIGINT, VARCHAR, VARCHAR])
  #open = true

  constructor(session: DuckSession, connection: DuckDBConnection, appender: DuckDBAppender) {
    this.#session = session
    this.#connection = connection
    this.#appender = appender
  }

  async add(members: readonly Member[]): Promise<void> {
    await this.#session.guard(async () => {
      for (let at = 0; at < members.length; at += VECTOR) {
        const some = members.slice(at, at + VECTOR)
        this.#chunk.reset()
        this.#chunk.rowCount = some.length
        this.#chunk.setColumnValues(
          0,
          some.map(({ sequence }) => BigInt(sequence)),
        )
        this.#chunk.setColumnValues(
          1,
          some.map(({ entityId }) => entityId),
        )
        this.#chunk.setColumnValues(
          2,
          some.map(({ entityType }) => entityType),
        )
        this.#appender.appendDataChunk(this.#chunk)
      }
    })
  }

  async *read({ files, to, columns }: Pick<ReadQuery, 'files' | 'to' | 'columns'>): AsyncGenerator<MemberRow[]> {
    if (files.length === 0) return
    const values = packed(columns, ['m.entity_id', 'm.entity_type'])
    await this.#session.guard(async () => {
      this.#appender.closeSync()
      for (const [index, file] of files.entries()) await this.#join(file, to, values, index === 0)
      await this.#connection.run('drop table members')
    })
    // Text is compared byte by byte, and UTF-8 keeps the order of code points.
    const statement = `
select ${values.map((_, index) => `v${index}`).join(', ')} from joined order by entity_id, "timestamp", sequence`
    for await (const chunk of this.#session.stream(this.#connection, statement)) {
      yield unpacked(chunk, columns, 2, (row, [entityId, entityType]) => ({
        entityId: entityId!,
        entityType: entityType!,
        row,
      }))
    }
  }

  /**
   * Adds a file's rows to `joined`. One file after the other, all before the ordering: a join of everything and an
   * ordering at the same time do not share memory, and the query fails where each of them alone would use the disk.
   */
  async #join(file: LocalCopy, to: number, values: readonly string[], first: boolean): Promise<void> {
    const table = await tableOf(this.#connection, file)
    const bounds = await this.#connection.runAndReadAll(`
select coalesce(min(sequence), 1)::varchar, coalesce(max(sequence), 0)::varchar from ${table}`)
    const [from, last] = bounds.getRows()[0]!
    await this.#connection.run(`
${first ? 'create temp table joined as' : 'insert into joined'}
select m.entity_id, r."timestamp", r.sequence, ${values.map((value, index) => `${value} as v${index}`).join(', ')}
from ${table} as r join (select * from members where sequence between ${from} and ${last}) as m on m.sequence = r.sequence
where r."timestamp" is not null and r.sequence <= ${to}`)
  }

  close(): void {
    if (this.#open) this.#connection.closeSync()
    this.#open = false
  }
}
