/** The run log in a SQLite file (spec 10 §2). One writer at a time makes most of its locks unnecessary. */
import type { Instant } from '../../core/instant.ts'
import type { ExportLog } from '../../ports/exports.ts'
import type { PrivacyPort } from '../../ports/privacy.ts'
import type { RunLog } from '../../ports/runs.ts'
import type { Tx } from '../../ports/store.ts'
import { StoredExports } from '../sql/export-log.ts'
import { createPrivacyPort } from '../sql/privacy-log.ts'
import { createRunLog } from '../sql/run-log.ts'
import type { LogDatabase, LogParam, LogRow } from '../sql/run-log-database.ts'
import type { Param } from './connection.ts'
import type { Database } from './database.ts'

export function sqliteRunLog(database: Database, now: () => Instant): RunLog {
  return createRunLog(new SqliteLogDatabase(database, now))
}

/** The list of exports beside it (spec 05 §4.5). */
export function sqliteExports(database: Database, now: () => Instant): ExportLog {
  return new StoredExports(new SqliteLogDatabase(database, now))
}

/** Erasures, redactions, holds and certificates (spec 10 §10). */
export function sqlitePrivacy(database: Database, now: () => Instant): PrivacyPort {
  return createPrivacyPort(new SqliteLogDatabase(database, now))
}

export class SqliteLogDatabase implements LogDatabase {
  readonly skipLocked = ''
  readonly now: () => Instant
  readonly #database: Database

  constructor(database: Database, now: () => Instant) {
    this.#database = database
    this.now = now
  }

  added(a: string, b: string): string {
    return `(select json_group_object(key, total) from (select key, sum(value) as total from (
      select key, value from json_each(${a}) union all select key, value from json_each(${b})) group by key))`
  }

  hasMember(column: string, key: string, value: string): string {
    return `exists (select 1 from json_each(${column}) member where member.key = ${key} and member.value = ${value})`
  }

  among(column: string, parameter: string): string {
    return `${column} in (select value from json_each(${parameter}))`
  }

  table(name: string): string {
    return name
  }

  async query(
    tx: Tx | null,
    operation: string,
    sql: string,
    params: readonly LogParam[] = [],
  ): Promise<readonly LogRow[]> {
    return this.#database.read(tx, operation, (connection) => connection.all(numbered(sql), ...params.map(bound)))
  }

  async execute(tx: Tx, operation: string, sql: string, params: readonly LogParam[] = []): Promise<number> {
    return this.#database.within(tx, operation, (connection) => connection.run(numbered(sql), ...params.map(bound)))
  }

  async insert(
    tx: Tx,
    operation: string,
    into: { readonly table: string; readonly columns: readonly string[]; readonly suffix?: string },
    rows: readonly (readonly LogParam[])[],
  ): Promise<void> {
    const { table, columns, suffix = '' } = into
    const places = columns.map(() => '?').join(', ')
    const sql = `insert into ${table} (${columns.join(', ')}) values (${places}) ${suffix}`
    this.#database.within(tx, operation, (connection) => {
      for (const row of rows) connection.run(sql, ...row.map(bound))
    })
  }

  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#database.transaction(work)
  }

  async exclusive(): Promise<void> {
    // The transaction has the file for itself.
  }
}

/** `$1` would be a parameter with a name. */
function numbered(sql: string): string {
  return sql.replace(/\$(\d+)/g, '?$1')
}

function bound(param: LogParam): Param {
  if (typeof param === 'boolean') return param ? 1 : 0
  return typeof param === 'object' && param !== null ? JSON.stringify(param) : param
}
