/** The hot side of a tiered ledger in Postgres (spec 07 §4.1). */
import { givenText, storedText } from '../../core/stored-text.ts'
import { StorageError } from '../../errors.ts'
import type { ArchiveRow } from '../../ports/archive.ts'
import type { Unit } from '../../ports/store.ts'
import type { EventIdRow, Member, StagedChange, TierPort, TierState } from '../../ports/tiers.ts'
import type { Param, Row } from './connection.ts'
import { adoptIds, beginIds, fillIds } from './event-ids.ts'
import { CANONICAL } from './id-tables.ts'
import { archiveRow, FULL_COLUMNS } from './ledger-rows.ts'
import { owned } from './names.ts'
import { pages } from './pages.ts'
import type { Space } from './space.ts'
import { countStaged, dropStaged, lastStaged, stage, staged, stagedSequences } from './staged-changes.ts'
import { lockState, putState, readState } from './tier-state.ts'

const CHUNK = 5000
const MEMBERS = 20_000

export class PostgresTiers implements TierPort {
  readonly #space: Space
  readonly #ledger: string
  readonly #eventIds: string
  readonly #mappings: string
  readonly #head: string

  constructor(space: Space) {
    this.#space = space
    this.#ledger = space.names.infra('ledger')
    this.#eventIds = space.names.infra('event_ids')
    this.#mappings = space.names.infra('event_entities')
    this.#head = space.names.infra('head')
  }

  async state(unit?: Unit): Promise<TierState | null> {
    return readState(this.#space, unit)
  }

  async lock(unit: Unit): Promise<TierState | null> {
    return lockState(this.#space, unit)
  }

  async put(unit: Unit, next: Partial<Omit<TierState, 'filled'>>): Promise<void> {
    await putState(this.#space, unit, next)
  }

  async begin(unit: Unit): Promise<void> {
    await beginIds(this.#space, unit)
  }

  async fill(unit: Unit, limit: number): Promise<boolean> {
    return fillIds(this.#space, unit, limit)
  }

  async adopt(unit: Unit, rows: readonly EventIdRow[]): Promise<void> {
    await adoptIds(this.#space, unit, rows)
  }

  async *rows({
    after,
    to,
    chunk = CHUNK,
  }: {
    after: number
    to: number
    chunk?: number
  }): AsyncIterable<ArchiveRow[]> {
    const [head] = await this.#read(null, 'tiers.rows', `select last from ${this.#head}`)
    const end = Math.min(to, head?.[0] as number)
    // Ranges of ledger_pkey. Sequences have no gaps, so that pages of so many of them need no limit.
    yield* pages(after, async (from) => {
      const until = Math.min(from + chunk, end)
      const rows = await this.#read(
        null,
        'tiers.rows',
        `select ${FULL_COLUMNS} from ${this.#ledger} l where sequence > $1 and sequence <= $2 order by sequence`,
        from,
        until,
      )
      return { items: rows.map(archiveRow), next: until < end ? until : null }
    })
  }

  async prune(unit: Unit, to: number): Promise<number> {
    const state = await this.lock(unit)
    const details = { operation: 'tiers.prune', to, flushed: state?.flushed ?? 0 }
    if (state === null || to > state.flushed) {
      throw new StorageError(
        `tiers.prune: rows up to ${details.flushed} are archived, not up to ${to}; flush them first`,
        { details },
      )
    }
    if (state.filled !== null) {
      throw new StorageError('tiers.prune: event ids are not kept yet; fill until all are there', { details })
    }
    if (to <= state.pruned) return 0
    // A range of ledger_pkey.
    const removed = await this.#space.database.execute(
      unit.tx,
      'tiers.prune',
      `delete from ${this.#ledger} where sequence > $1 and sequence <= $2`,
      [state.pruned, to],
    )
    await this.put(unit, { pruned: to })
    return removed
  }

  async firstSequence(range: { after: number; since: string; until: string }): Promise<number | null> {
    // Walks ledger_pkey or takes a range of ledger_timestamp, as the server thinks better.
    const [row] = await this.#read(
      null,
      'tiers.firstSequence',
      `select sequence from ${this.#ledger} where sequence > $1 and "timestamp" >= $2 and "timestamp" <= $3
        order by sequence limit 1`,
      range.after,
      range.since,
      range.until,
    )
    return (row?.[0] as number | undefined) ?? null
  }

  async *members(options: { to: number; afterEntity: string | null; chunk?: number }): AsyncIterable<Member[]> {
    const { to, afterEntity, chunk = MEMBERS } = options
    // Walks event_entities_pkey.
    const sql = `select sequence, entity_id, entity_type from ${this.#mappings}
      where (sequence, entity_id) > ($1, $2) and sequence <= $3 and entity_id > $4 and ${this.#owned()}
      order by sequence, entity_id limit $5`
    yield* pages<Member, [number, string]>([0, ''], async ([sequence, entityId]) => {
      const rows = await this.#read(
        null,
        'tiers.members',
        sql,
        sequence,
        entityId,
        to,
        storedText(afterEntity ?? ''),
        chunk,
      )
      const last = rows.length < chunk ? undefined : rows.at(-1)
      return { items: rows.map(member), next: last === undefined ? null : [last[0] as number, last[1] as string] }
    })
  }

  async membersIn(unit: Unit | null, range: { after: number; to: number }): Promise<Member[]> {
    // A range of event_entities_pkey.
    const rows = await this.#read(
      unit,
      'tiers.membersIn',
      `select sequence, entity_id, entity_type from ${this.#mappings}
        where sequence > $1 and sequence <= $2 and ${this.#owned()} order by sequence, entity_id`,
      range.after,
      range.to,
    )
    return rows.map(member)
  }

  async membersOf(unit: Unit | null, entityIds: readonly string[], to: number): Promise<Member[]> {
    // event_entities_entity for each id.
    const rows = await this.#read(
      unit,
      'tiers.membersOf',
      `select e.sequence, w.id, e.entity_type from unnest($1::text[]) w (id) cross join lateral
        (select sequence, entity_type from ${this.#mappings} where entity_id = w.id and sequence <= $2 offset 0) e`,
      [...new Set(entityIds)].map(storedText),
      to,
    )
    return rows.map(member)
  }

  async membersAt(unit: Unit | null, sequences: readonly number[]): Promise<Member[]> {
    // event_entities_pkey for each sequence.
    const rows = await this.#read(
      unit,
      'tiers.membersAt',
      `select w.sequence, e.entity_id, e.entity_type from unnest($1::bigint[]) w (sequence) cross join lateral
        (select entity_id, entity_type from ${this.#mappings} where sequence = w.sequence offset 0) e`,
      [...new Set(sequences)],
    )
    return rows.map(member)
  }

  async sequenceOf(eventId: string): Promise<number | undefined> {
    // event_ids_event_id or ledger_event_id; the server asks the head once and looks into one of them.
    const mode = `(select tiers from ${this.#head})`
    const [row] = await this.#read(
      null,
      'tiers.sequenceOf',
      `select sequence from ${this.#eventIds} where event_id = $1 and ${CANONICAL} and ${mode} = 'on'
        union all select sequence from ${this.#ledger} where event_id = $1 and ${CANONICAL} and ${mode} <> 'on'`,
      storedText(eventId),
    )
    return row?.[0] as number | undefined
  }

  async stage(unit: Unit, job: number, changes: readonly StagedChange[]): Promise<void> {
    await stage(this.#space, unit, job, changes)
  }

  async countStaged(unit?: Unit): Promise<number> {
    return countStaged(this.#space, unit)
  }

  async lastStaged(unit?: Unit): Promise<number> {
    return lastStaged(this.#space, unit)
  }

  async stagedSequences(job: number): Promise<number[]> {
    return stagedSequences(this.#space, job)
  }

  async staged(job: number, range: { from: number; to: number }): Promise<StagedChange[]> {
    return staged(this.#space, job, range)
  }

  async dropStaged(unit: Unit, job: number): Promise<void> {
    await dropStaged(this.#space, unit, job)
  }

  #owned(): string {
    return owned(this.#space.shard, 'shard_hash')
  }

  #read(unit: Unit | null, operation: string, sql: string, ...params: Param[]): Promise<Row[]> {
    return this.#space.database.query(unit?.tx, operation, sql, params)
  }
}

function member(row: Row): Member {
  return {
    sequence: row[0] as number,
    entityId: givenText(row[1] as string),
    entityType: givenText(row[2] as string),
  }
}
