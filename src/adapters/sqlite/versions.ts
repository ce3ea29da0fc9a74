/** Registered definition sets (spec 04 §2.2, §4.11). */
import { StorageError } from '../../errors.ts'
import type { Unit, VersionPort, VersionRow } from '../../ports/store.ts'
import { VERSION_COLUMNS, versionRow } from '../sql/rows.ts'
import type { Row } from './connection.ts'
import type { Database } from './database.ts'

const SELECT = `select ${VERSION_COLUMNS}
  from definition_versions`

export class SqliteVersions implements VersionPort {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async list(): Promise<VersionRow[]> {
    const rows = await this.#read('versions.list', `${SELECT} order by created_at, version`)
    return rows.map(versionRow)
  }

  async get(version: string): Promise<VersionRow | undefined> {
    // The column ignores case so that no two versions get the same table names; a lookup means the exact name.
    const rows = await this.#read(
      'versions.get',
      `${SELECT} where version = ? and version = ? collate binary`,
      version,
      version,
    )
    return rows.map(versionRow)[0]
  }

  async active(): Promise<VersionRow | undefined> {
    const rows = await this.#read('versions.active', `${SELECT} where active = 1`)
    return rows.map(versionRow)[0]
  }

  async insert(unit: Unit, row: Omit<VersionRow, 'active'>): Promise<void> {
    this.#database.within(unit.tx, 'versions.insert', (connection) => {
      const taken = connection.get('select version from definition_versions where version = ?', row.version)?.[0]
      if (taken !== undefined) {
        throw new StorageError(`version '${row.version}' cannot be stored: '${taken}' exists (names ignore case)`, {
          details: { operation: 'versions.insert', driver: 'node:sqlite' },
        })
      }
      connection.run(
        `insert into definition_versions
          (version, definitions, definition_hash, source_hash, identity_hash, active, created_at)
          values (?, ?, ?, ?, ?, 0, ?)`,
        row.version,
        row.definitions,
        row.definitionHash,
        row.sourceHash,
        row.identityHash,
        row.createdAt,
      )
    })
  }

  async activate(unit: Unit): Promise<void> {
    this.#database.within(unit.tx, 'versions.activate', (connection) => {
      connection.run('update definition_versions set active = 0 where active = 1 and version <> ?', unit.version)
      if (connection.run('update definition_versions set active = 1 where version = ?', unit.version) === 0) {
        throw new StorageError(`version '${unit.version}' is not registered`, {
          details: { operation: 'versions.activate', driver: 'node:sqlite' },
        })
      }
    })
  }

  #read(operation: string, sql: string, ...params: string[]): Promise<Row[]> {
    return this.#database.read(null, operation, (connection) => connection.all(sql, ...params))
  }
}
