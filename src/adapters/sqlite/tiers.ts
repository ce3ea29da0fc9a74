/** The hot side of a tiered ledger in SQLite (spec 07 §4.1). */
import { StorageError } from '../../errors.ts'
import type { ArchiveRow } from '../../ports/archive.ts'
import type { Unit } from '../../ports/store.ts'
import type { EventIdRow, Member, StagedChange, TierPort, TierState } from '../../ports/tiers.ts'
import type { Connection, Row } from './connection.ts'
import type { Database } from './database.ts'
import { adoptIds, canonicalOf, fillIds } from './event-ids.ts'
import { ARCHIVE_COLUMNS, archiveRow } from './ledger-rows.ts'
import { stage, stagedChanges } from './staged.ts'
import { beginTiers, putTierState, requireTiers, tierState } from './tier-state.ts'

const CHUNK = 5000
const MEMBER_COLUMNS = 'e.sequence, e.entity_id, e.entity_type'

export class SqliteTiers implements TierPort {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async state(unit?: Unit): Promise<TierState | null> {
    return this.#database.read(unit?.tx, 'tiers.state', tierState)
  }

  /** Every write transaction of SQLite is alone. */
  async lock(unit: Unit): Promise<TierState | null> {
    return this.state(unit)
  }

  async put(unit: Unit, next: Partial<Omit<TierState, 'filled'>>): Promise<void> {
    this.#write(unit, 'tiers.put', (connection) => {
      requireTiers(connection, 'tiers.put')
      putTierState(connection, next)
    })
  }

  async begin(unit: Unit): Promise<void> {
    this.#write(unit, 'tiers.begin', beginTiers)
  }

  async fill(unit: Unit, limit: number): Promise<boolean> {
    return this.#write(unit, 'tiers.fill', (connection) => fillIds(connection, limit))
  }

  async *rows(range: { after: number; to: number; chunk?: number }): AsyncIterable<ArchiveRow[]> {
    const { to, chunk = CHUNK } = range
    const sql = `select ${ARCHIVE_COLUMNS} from ledger where sequence > ? and sequence <= ? order by sequence limit ?`
    for (let after = range.after; ; ) {
      const rows = await this.#read(null, 'tiers.rows', sql, after, to, chunk)
      const last = rows.at(-1)
      if (last === undefined) return
      yield rows.map(archiveRow)
      if (rows.length < chunk) return
      after = last[0] as number
    }
  }

  async prune(unit: Unit, to: number): Promise<number> {
    return this.#write(unit, 'tiers.prune', (connection) => prune(connection, to))
  }

  async firstSequence(range: { after: number; since: string; until: string }): Promise<number | null> {
    // The index holds all that is asked for; rows themselves may be large.
    const [row] = await this.#read(
      null,
      'tiers.firstSequence',
      `select min(sequence) from ledger indexed by ledger_timestamp
        where timestamp >= ? and timestamp <= ? and sequence > ?`,
      range.since,
      range.until,
      range.after,
    )
    return (row?.[0] as number | null) ?? null
  }

  async adopt(unit: Unit, rows: readonly EventIdRow[]): Promise<void> {
    this.#write(unit, 'tiers.adopt', (connection) => adoptIds(connection, rows))
  }

  async *members(options: { to: number; afterEntity: string | null; chunk?: number }): AsyncIterable<Member[]> {
    const { to, chunk = CHUNK } = options
    // Pages of the primary key.
    const sql = `select ${MEMBER_COLUMNS} from event_entities e
      where (e.sequence, e.entity_id) > (?, ?) and e.sequence <= ? and e.entity_id > ?
      order by e.sequence, e.entity_id limit ?`
    let last: Member = { sequence: 0, entityId: '', entityType: '' }
    while (true) {
      const { sequence, entityId } = last
      const rows = await this.#read(
        null,
        'tiers.members',
        sql,
        sequence,
        entityId,
        to,
        options.afterEntity ?? '',
        chunk,
      )
      const members = rows.map(member)
      const end = members.at(-1)
      if (end === undefined) return
      yield members
      if (members.length < chunk) return
      last = end
    }
  }

  async membersIn(unit: Unit | null, range: { after: number; to: number }): Promise<Member[]> {
    const rows = await this.#read(
      unit,
      'tiers.membersIn',
      `select ${MEMBER_COLUMNS} from event_entities e where e.sequence > ? and e.sequence <= ? order by e.sequence`,
      range.after,
      range.to,
    )
    return rows.map(member)
  }

  async membersOf(unit: Unit | null, entityIds: readonly string[], to: number): Promise<Member[]> {
    const rows = await this.#read(
      unit,
      'tiers.membersOf',
      `select ${MEMBER_COLUMNS} from (select distinct value as id from json_each(?)) wanted
        cross join event_entities e indexed by event_entities_entity on e.entity_id = wanted.id and e.sequence <= ?`,
      JSON.stringify(entityIds),
      to,
    )
    return rows.map(member)
  }

  async membersAt(unit: Unit | null, sequences: readonly number[]): Promise<Member[]> {
    const rows = await this.#read(
      unit,
      'tiers.membersAt',
      `select ${MEMBER_COLUMNS} from (select distinct value as sequence from json_each(?)) wanted
        cross join event_entities e on e.sequence = wanted.sequence`,
      JSON.stringify(sequences),
    )
    return rows.map(member)
  }

  async sequenceOf(eventId: string): Promise<number | undefined> {
    return this.#database.read(null, 'tiers.sequenceOf', (connection) => canonicalOf(connection, eventId))
  }

  async stage(unit: Unit, job: number, changes: readonly StagedChange[]): Promise<void> {
    this.#write(unit, 'tiers.stage', (connection) => stage(connection, job, changes))
  }

  async countStaged(unit?: Unit): Promise<number> {
    const [row] = await this.#read(unit ?? null, 'tiers.countStaged', 'select count(*) from tier_jobs')
    return row?.[0] as number
  }

  async lastStaged(unit?: Unit): Promise<number> {
    const [row] = await this.#read(unit ?? null, 'tiers.lastStaged', 'select coalesce(max(id), 0) from tier_jobs')
    return row?.[0] as number
  }

  async stagedSequences(job: number): Promise<number[]> {
    // Walks tier_jobs_sequence.
    const sql = 'select distinct sequence from tier_jobs where job <= ? order by sequence'
    return (await this.#read(null, 'tiers.stagedSequences', sql, job)).map((row) => row[0] as number)
  }

  async staged(job: number, range: { from: number; to: number }): Promise<StagedChange[]> {
    return this.#database.read(null, 'tiers.staged', (connection) => stagedChanges(connection, job, range))
  }

  async dropStaged(unit: Unit, job: number): Promise<void> {
    this.#write(unit, 'tiers.dropStaged', (connection) => connection.run('delete from tier_jobs where job <= ?', job))
  }

  #read(unit: Unit | null, operation: string, sql: string, ...params: (string | number)[]): Promise<Row[]> {
    return this.#database.read(unit?.tx, operation, (connection) => connection.all(sql, ...params))
  }

  #write<T>(unit: Unit, operation: string, work: (connection: Connection) => T): T {
    return this.#database.within(unit.tx, operation, work)
  }
}

/**
 * Pages of removed rows stay with the file and are used for the next rows, so it stops growing. It shrinks only by
 * `vacuum`, which copies the whole file and needs it alone: that is left to people.
 */
function prune(connection: Connection, to: number): number {
  const operation = 'tiers.prune'
  const { pruned, flushed, filled } = requireTiers(connection, operation)
  if (filled !== null) {
    const message = `${operation}: the event ids are not complete yet, so rows are still needed; fill them first`
    throw new StorageError(message, { details: { operation, filled } })
  }
  if (to > flushed) {
    const message = `${operation}: rows up to ${flushed} are archived, those up to ${to} are not; flush them first`
    throw new StorageError(message, { details: { operation, flushed, to } })
  }
  if (to <= pruned) return 0
  const removed = connection.run('delete from ledger where sequence <= ?', to)
  putTierState(connection, { pruned: to })
  return removed
}

function member(row: Row): Member {
  return { sequence: row[0] as number, entityId: row[1] as string, entityType: row[2] as string }
}
