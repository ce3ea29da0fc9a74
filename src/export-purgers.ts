/** Composition root of what takes rows out of exports (spec 05 §4.5): picks the adapter when it is needed. */
import { existsSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { clearLeftovers, writeWhole } from './adapters/files/whole-file.ts'
import type { Purger } from './engine/privacy/targets/exports.ts'
import { DefactoError, StorageError } from './errors.ts'
import { fileOwner, type Owner } from './file-owner.ts'
import { NOTHING, type Purge, type Purged, totalOf } from './ports/export-purge.ts'
import type { ExportRow } from './ports/exports.ts'
import { shownPlace } from './query/export/place.ts'

const ELSEWHERE = 'neither it nor its folder is here; it may be on another machine'
const REFUSED =
  'the server refuses it: addresses are kept without passwords, so name the whole one in compliance.exports, or remove the rows there'

/** `addresses`: whole ones of servers that were exported to, since the list of exports has no passwords. */
export function exportPurger(addresses: readonly string[]): Purger {
  const owner = fileOwner()
  return async (row, purge) => {
    if (row.path.includes('://')) return onServer(row, purge, addresses)
    if (!existsSync(row.path)) return missing(row, purge, owner)
    switch (row.format) {
      case 'csv': {
        const { purgeCsv } = await import('./adapters/files/purge-csv.ts')
        return inFile(row, purge, owner, purgeCsv)
      }
      case 'graph':
      case 'networkx': {
        const { purgeGraph } = await import('./adapters/files/purge-graph.ts')
        return inFile(row, purge, owner, purgeGraph)
      }
      case 'parquet': {
        const { purgeParquet } = await import('./adapters/duckdb/purge.ts')
        return inFile(row, purge, owner, purgeParquet)
      }
      case 'subject': {
        const { purgeSubject } = await import('./adapters/files/purge-subject.ts')
        return purgeSubject(row.path, purge)
      }
      default:
        return inDatabase(row, purge, owner)
    }
  }
}

/** What was removed since is done; a killed export may have left a part. */
async function missing(row: ExportRow, purge: Purge, owner: Owner): Promise<Purged> {
  if (!existsSync(dirname(row.path))) return { ...NOTHING, problem: ELSEWHERE }
  await settled(row, purge, owner)
  return NOTHING
}

async function inFile(
  row: ExportRow,
  purge: Purge,
  owner: Owner,
  work: (from: string, to: string | null, purge: Purge) => Promise<Purged>,
): Promise<Purged> {
  await settled(row, purge, owner)
  const found = await work(row.path, null, purge)
  if (purge.dryRun === true || found.rows.size === 0) return found
  const { result } = await writeWhole(row.path, owner, async (temporary) => {
    const purged = await work(row.path, temporary, purge)
    // Half of it is worse than none.
    if (purged.rows.size === 0) throw new StorageError('the export changed meanwhile', { recoverable: true })
    return purged
  })
  return result
}

/** One that is being written will hold what was read before: it is waited for. What the dead left goes. */
async function settled(row: ExportRow, { dryRun }: Purge, owner: Owner): Promise<void> {
  if (dryRun === true || row.rows !== null) return
  if (await clearLeftovers(row.path, owner)) {
    throw new StorageError('the export is still being written', { recoverable: true })
  }
}

async function inDatabase(row: ExportRow, purge: Purge, owner: Owner): Promise<Purged> {
  await settled(row, purge, owner)
  const kind = await kindOf(row.path)
  if (kind === 'duckdb') {
    const { purgeDuckdb } = await import('./adapters/duckdb/purge.ts')
    return purgeDuckdb(row.path, purge)
  }
  if (kind === 'sqlite') {
    const { purgeSqliteSnapshot } = await import('./adapters/sqlite/purge-snapshot.ts')
    return purgeSqliteSnapshot(row.path, purge)
  }
  return { ...NOTHING, problem: 'it is no database any more; remove it' }
}

/** Addresses with a scheme are recorded without it. */
async function kindOf(path: string): Promise<'sqlite' | 'duckdb' | null> {
  const file = await open(path, 'r').catch((error: unknown) => {
    throw new StorageError('the export cannot be read', { cause: error })
  })
  try {
    const { buffer } = await file.read(Buffer.alloc(16), 0, 16, 0)
    if (buffer.toString('latin1', 0, 15) === 'SQLite format 3') return 'sqlite'
    return buffer.toString('latin1', 8, 12) === 'DUCK' ? 'duckdb' : null
  } finally {
    await file.close()
  }
}

async function onServer(row: ExportRow, purge: Purge, addresses: readonly string[]): Promise<Purged> {
  const known = addresses.filter((address) => shownPlace(address) === row.path)
  const found: Purged[] = []
  for (const address of known.length === 0 ? [row.path] : known) {
    try {
      found.push(await at(row, address, purge))
    } catch (error) {
      if (!(error instanceof DefactoError) || error.recoverable) throw error
      return { rows: totalOf(found).rows, problem: REFUSED }
    }
  }
  return totalOf(found)
}

async function at(row: ExportRow, address: string, purge: Purge): Promise<Purged> {
  if (row.format !== 'neo4j') {
    const { purgePostgresSnapshot } = await import('./adapters/postgres/purge-snapshot.ts')
    return purgePostgresSnapshot(address, purge)
  }
  const [{ Neo4jServer }, { purgeNeo4j }] = await Promise.all([
    import('./adapters/neo4j/driver.ts'),
    import('./adapters/neo4j/purge.ts'),
  ])
  const server = await Neo4jServer.open(address)
  try {
    return await purgeNeo4j(server, purge)
  } finally {
    await server.close()
  }
}
