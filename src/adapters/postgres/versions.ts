/** Registered definition sets (spec 04 §2.2, §4.11). */
import { StorageError } from '../../errors.ts'
import type { Unit, VersionPort, VersionRow } from '../../ports/store.ts'
import { VERSION_COLUMNS, versionRow } from '../sql/rows.ts'
import type { Param } from './connection.ts'
import type { Space } from './space.ts'

export class PostgresVersions implements VersionPort {
  readonly #space: Space
  readonly #table: string
  readonly #select: string

  constructor(space: Space) {
    this.#space = space
    this.#table = space.names.infra('definition_versions')
    this.#select = `select ${VERSION_COLUMNS}
      from ${this.#table}`
  }

  async list(): Promise<VersionRow[]> {
    return this.#read('versions.list', `${this.#select} order by created_at, version`)
  }

  async get(version: string): Promise<VersionRow | undefined> {
    return (await this.#read('versions.get', `${this.#select} where version = $1`, [version]))[0]
  }

  async active(): Promise<VersionRow | undefined> {
    return (await this.#read('versions.active', `${this.#select} where active`))[0]
  }

  async insert(unit: Unit, row: Omit<VersionRow, 'active'>): Promise<void> {
    const { database } = this.#space
    // Postgres tells schema names apart by case, other databases and people do not.
    const [taken] = await database.query(
      unit.tx,
      'versions.insert',
      `select version from ${this.#table} where lower(version) = lower($1)`,
      [row.version],
    )
    if (taken !== undefined) {
      throw new StorageError(`version '${row.version}' cannot be stored: '${taken[0]}' exists (names ignore case)`, {
        details: { operation: 'versions.insert', driver: 'pg' },
      })
    }
    await database.query(
      unit.tx,
      'versions.insert',
      `insert into ${this.#table}
        (version, definitions, definition_hash, source_hash, identity_hash, active, created_at)
        values ($1, $2, $3, $4, $5, false, $6)`,
      [row.version, row.definitions, row.definitionHash, row.sourceHash, row.identityHash, row.createdAt],
    )
  }

  async activate(unit: Unit): Promise<void> {
    const { database } = this.#space
    await database.query(
      unit.tx,
      'versions.activate',
      `update ${this.#table} set active = false where active and version <> $1`,
      [unit.version],
    )
    const found = await database.execute(
      unit.tx,
      'versions.activate',
      `update ${this.#table} set active = true where version = $1`,
      [unit.version],
    )
    if (found === 1) return
    throw new StorageError(`version '${unit.version}' is not registered`, {
      details: { operation: 'versions.activate', driver: 'pg' },
    })
  }

  async #read(operation: string, sql: string, params: readonly Param[] = []): Promise<VersionRow[]> {
    return (await this.#space.database.query(null, operation, sql, params)).map(versionRow)
  }
}
