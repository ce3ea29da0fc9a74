/** The run log in Postgres (spec 10 §2). */
import type { Instant } from '../../core/instant.ts'
import type { ExportLog } from '../../ports/exports.ts'
import type { PrivacyPort } from '../../ports/privacy.ts'
import type { RunLog } from '../../ports/runs.ts'
import type { Tx } from '../../ports/store.ts'
import { StoredExports } from '../sql/export-log.ts'
import { createPrivacyPort } from '../sql/privacy-log.ts'
import { createRunLog } from '../sql/run-log.ts'
import { plainText } from '../sql/run-log-columns.ts'
import type { LogDatabase, LogParam, LogRow } from '../sql/run-log-database.ts'
import type { Space } from './space.ts'

/** A statement has at most 65 535 parameters. */
const MAX_PARAMS = 60_000

export function postgresRunLog(space: Space, now: () => Instant): RunLog {
  return createRunLog(new PostgresLogDatabase(space, now))
}

/** The list of exports beside it (spec 05 §4.5). */
export function postgresExports(space: Space, now: () => Instant): ExportLog {
  return new StoredExports(new PostgresLogDatabase(space, now))
}

/** Erasures, redactions, holds and certificates (spec 10 §10). */
export function postgresPrivacy(space: Space, now: () => Instant): PrivacyPort {
  return createPrivacyPort(new PostgresLogDatabase(space, now))
}

export class PostgresLogDatabase implements LogDatabase {
  readonly skipLocked = ' for update skip locked'
  readonly now: () => Instant
  readonly #space: Space

  constructor(space: Space, now: () => Instant) {
    this.#space = space
    this.now = now
  }

  added(a: string, b: string): string {
    return `(select coalesce(json_object_agg(key, total), '{}') from (select key, sum(value::numeric) as total from (
      select * from json_each_text(${a}) union all select * from json_each_text(${b})) v group by key) s)`
  }

  hasMember(column: string, key: string, value: string): string {
    return `${column} ->> ${key}::text = ${value}`
  }

  among(column: string, parameter: string): string {
    return `${column} = any(${parameter}::text[])`
  }

  table(name: string): string {
    return this.#space.names.infra(name)
  }

  async query(
    tx: Tx | null,
    operation: string,
    sql: string,
    params: readonly LogParam[] = [],
  ): Promise<readonly LogRow[]> {
    return this.#space.database.query(tx, operation, sql, params.map(bound))
  }

  async execute(tx: Tx, operation: string, sql: string, params: readonly LogParam[] = []): Promise<number> {
    return this.#space.database.execute(tx, operation, sql, params.map(bound))
  }

  async insert(
    tx: Tx,
    operation: string,
    into: { readonly table: string; readonly columns: readonly string[]; readonly suffix?: string },
    rows: readonly (readonly LogParam[])[],
  ): Promise<void> {
    const { table, columns, suffix = '' } = into
    const most = Math.floor(MAX_PARAMS / columns.length)
    for (let from = 0; from < rows.length; from += most) {
      const some = rows.slice(from, from + most)
      const values = some.map((_, i) => `(${columns.map((_, j) => `$${i * columns.length + j + 1}`).join(', ')})`)
      const sql = `insert into ${table} (${columns.join(', ')}) values ${values.join(', ')} ${suffix}`
      await this.#space.database.query(tx, operation, sql, some.flat().map(bound))
    }
  }

  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#space.database.transaction(work)
  }

  async exclusive(tx: Tx, operation: string, key: string): Promise<void> {
    const { database, names } = this.#space
    await database.query(tx, operation, 'select pg_advisory_xact_lock(hashtextextended($1, 0))', [
      `defacto/${names.namespace}/${key}`,
    ])
  }
}

/** What the server cannot hold cannot be looked for either: whatever somebody asks for, it is not an error. */
function bound(param: LogParam): LogParam {
  if (typeof param === 'string') return plainText(param)
  return typeof param === 'object' && param !== null ? param.map(plainText) : param
}
