/** What erasures and redactions ask of hints, mappings and merges (spec 05 §4.1–4.2, §5.3). */
import { givenText, storedText } from '../../core/stored-text.ts'
import { IdentityError } from '../../errors.ts'
import type { FrozenEntity } from '../../ports/privacy.ts'
import type { HintRow, Unit } from '../../ports/store.ts'
import type { LogDatabase, LogRow } from './run-log-database.ts'

type Asked = Pick<LogDatabase, 'among' | 'table' | 'query' | 'execute' | 'insert'>

/** What dialects write differently. */
export interface IdentityDialect {
  /** The first parameter as a text that compares like ids do. */
  readonly id: string
  /** The flag of this name is set. */
  readonly isSet: (column: 'redacted' | 'sticky') => string
}

const HINT = 'entity_type, hint_type, hint_value, entity_id'

export class IdentityPrivacy {
  readonly #database: Asked
  readonly #dialect: IdentityDialect

  constructor(database: Asked, dialect: IdentityDialect) {
    this.#database = database
    this.#dialect = dialect
  }

  async family(unit: Unit | null, entityId: string): Promise<FrozenEntity[]> {
    const log = this.#table('merge_log')
    // Of several rows about one loser the newest counts. By the keys of the tables, and merge_log_into.
    const newest = `m.change_seq = (select max(n.change_seq) from ${log} n where n.from_entity_id = m.from_entity_id)`
    const rows = await this.#query(
      unit,
      'identity.family',
      `with recursive up (id) as (
          select ${this.#dialect.id}
          union select m.into_entity_id from up join ${log} m on m.from_entity_id = up.id and ${newest}),
        top (id) as (select id from up where not exists (select 1 from ${log} m where m.from_entity_id = up.id)),
        down (id) as (
          select id from top
          union select m.from_entity_id from down join ${log} m on m.into_entity_id = down.id and ${newest})
      select (select id from top), down.id,
          (select entity_type from ${this.#table('event_entities')} where entity_id = down.id limit 1),
          (select entity_type from ${this.#table('identity')} where entity_id = down.id limit 1)
        from (select 1 as one) start left join down on true order by down.id`,
      [storedText(entityId)],
    )
    const [survivor, first] = rows[0] as [string | null, string | null]
    if (survivor === null || first === null) {
      throw new IdentityError(`the merge log leads from entity '${entityId}' back to itself`)
    }
    // What is merged away owns nothing any more, so the survivor tells the type of all.
    const types = rows.map(([, , mapped, hinted]) => (mapped ?? hinted) as string | null)
    const own = rows.findIndex(([, id]) => id === survivor)
    const type = types[own] ?? types.find((one) => one !== null)
    if (type === undefined && rows.length === 1) return []
    const ids = rows.map(([, id]) => id as string)
    return [survivor, ...ids.filter((id) => id !== survivor)].map((id) => ({
      id: givenText(id),
      type: givenText(type ?? ''),
    }))
  }

  async hintsOf(
    unit: Unit | null,
    entityIds: readonly string[],
  ): Promise<(HintRow & { readonly redacted: boolean })[]> {
    // identity_entity
    const rows = await this.#query(
      unit,
      'identity.hintsOf',
      `select ${HINT}, redacted from ${this.#table('identity')} where ${this.#among('entity_id')}
        order by entity_type, hint_type, hint_value`,
      [entityIds.map(storedText)],
    )
    return rows.map((row) => ({ ...hintRow(row), redacted: Boolean(row[4]) }))
  }

  async erase(
    unit: Unit,
    entityIds: readonly string[],
  ): Promise<{ hints: number; mappings: number; mergeLog: number }> {
    const { tx } = unit
    const ids = [...new Set(entityIds)].map(storedText)
    const remove = (table: string, where: string): Promise<number> =>
      this.#database.execute(tx, 'identity.erase', `delete from ${this.#table(table)} where ${where}`, [ids])
    // identity_entity, event_entities_entity, merge_log_pkey, merge_log_into
    const hints = await remove('identity', this.#among('entity_id'))
    const mappings = await remove('event_entities', this.#among('entity_id'))
    const mergeLog =
      (await remove('merge_log', this.#among('from_entity_id'))) +
      (await remove('merge_log', this.#among('into_entity_id')))
    const changes = this.#table('identity_changes')
    const [last] = await this.#query(unit, 'identity.erase', `select coalesce(max(change_seq), 0) from ${changes}`)
    const at = unit.now.toString()
    await this.#database.insert(
      tx,
      'identity.erase',
      { table: changes, columns: ['change_seq', 'kind', 'entity_id', 'at'] },
      ids.map((id, index) => [Number(last?.[0]) + index + 1, 'erase', id, at]),
    )
    return { hints, mappings, mergeLog }
  }

  /** By identity_redacted; in its order, so that no planner reads the whole table in the hope to find one soon. */
  async hasTokens(unit: Unit | null): Promise<boolean> {
    const rows = await this.#query(
      unit,
      'identity.hasTokens',
      `select 1 from ${this.#table('identity')} where ${this.#dialect.isSet('redacted')} order by hint_value limit 1`,
    )
    return rows.length > 0
  }

  async tokens(unit: Unit | null, values: readonly string[], options: { sticky?: boolean } = {}): Promise<HintRow[]> {
    if (values.length === 0) return []
    const flags = [this.#dialect.isSet('redacted'), ...(options.sticky ? [this.#dialect.isSet('sticky')] : [])]
    // identity_redacted
    const rows = await this.#query(
      unit,
      'identity.tokens',
      `select ${HINT} from ${this.#table('identity')} where ${this.#among('hint_value')} and ${flags.join(' and ')}
        order by created_at, entity_type, hint_type, hint_value`,
      [values.map(storedText)],
    )
    return rows.map(hintRow)
  }

  #among(column: string): string {
    return this.#database.among(column, '$1')
  }

  #table(name: string): string {
    return this.#database.table(name)
  }

  #query(
    unit: Unit | null,
    operation: string,
    sql: string,
    params: readonly (string | readonly string[])[] = [],
  ): Promise<readonly LogRow[]> {
    return this.#database.query(unit?.tx ?? null, operation, sql, params)
  }
}

function hintRow(row: LogRow): HintRow {
  return {
    entityType: givenText(row[0] as string),
    hintType: givenText(row[1] as string),
    value: givenText(row[2] as string),
    entityId: givenText(row[3] as string),
  }
}
