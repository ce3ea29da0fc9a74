/** A file of histories as it is open for queries. */
import { stat } from 'node:fs/promises'
import type { DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { StorageError } from '../../errors.ts'
import { openError } from './errors.ts'
import { openInstance } from './instance.ts'
import { nameClash, versionSchema } from './names.ts'
import { bareNames, engineRules, type GuardRules } from './read-guard.ts'
import { type StoredVersion, storedVersions } from './versions.ts'

/** One state of the file. */
export interface OpenedFile {
  readonly instance: DuckDBInstance
  /** For callers, closed with the reader. */
  readonly handle: DuckDBConnection
  readonly rules: GuardRules
  readonly versions: readonly StoredVersion[]
  /** Texts that may run. */
  readonly checked: Set<string>
  /** `identityOf` when it was opened. */
  readonly file: string | null
  /** Queries under way; when another file has taken its place, the last one closes it. */
  users: number
}

/** @throws StorageError, also for a file that is called like a schema in it */
export async function openFile(path: string, namespace: string, file: string | null): Promise<OpenedFile> {
  const instance = await openInstance(path, { readOnly: true })
  try {
    const handle = await instance.connect()
    const versions = await storedVersions(handle, namespace)
    const schemas = new Set(versions.map(({ version }) => versionSchema(namespace, version)))
    checkName(path, schemas)
    const rules = { ...(await engineRules(handle)), schemas, bare: await bareNames(handle) }
    return { instance, handle, rules, versions, checked: new Set(), file, users: 0 }
  } catch (error) {
    instance.closeSync()
    throw openError(error, path)
  }
}

/** Tells one file from another in its place; null: there is none. */
export async function identityOf(path: string): Promise<string | null> {
  const found = await stat(path, { bigint: true }).catch(() => null)
  return found === null ? null : `${found.dev}:${found.ino}:${found.birthtimeNs}`
}

function checkName(path: string, schemas: ReadonlySet<string>): void {
  const same = [...schemas].find((schema) => nameClash(path, schema))
  if (same === undefined) return
  throw new StorageError(
    `open: ${path} is called like the schema "${same}" in it, which DuckDB cannot tell apart; rename the file`,
    { details: { operation: 'open', driver: 'duckdb' } },
  )
}
