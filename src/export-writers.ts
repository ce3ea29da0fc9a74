/**
 * Composition root of the writers of exports (spec 06 §7): picks the adapter when something is written, so that drivers of
 * formats nobody asked for are never loaded.
 */
import { existsSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { writeWhole } from './adapters/files/whole-file.ts'
import { ConfigError } from './errors.ts'
import { fileOwner } from './file-owner.ts'
import { isDuckdbPath } from './history-place.ts'
import { isPostgres, sqlitePath } from './options.ts'
import { type OwnPlace, refuseOwn } from './own-places.ts'
import type {
  ExportedGraph,
  ExportTable,
  ExportWriters,
  Neo4jOptions,
  StoredVersion,
  WriteOptions,
  Written,
} from './ports/exports.ts'

/** `own`: what belongs to the space that is read, and is never written to. */
export function exportWriters(own: readonly OwnPlace[] = []): ExportWriters {
  const owner = fileOwner()
  const notForTables = own.filter(({ takesTables }) => takesTables !== true)
  const whole = async (path: string, write: (temporary: string) => Promise<number>): Promise<Written> => {
    await refuseOwn(path, own)
    const { result, bytes } = await writeWhole(path, owner, write)
    return { rows: result, bytes }
  }
  return {
    async parquet(path: string, table: ExportTable, options?: WriteOptions): Promise<Written> {
      const { writeParquet } = await import('./adapters/duckdb/parquet-file.ts')
      return whole(path, async (temporary) => {
        const rows = (await table.parquet?.(temporary)) ?? null
        if (rows === null) return writeParquet(temporary, path, table, options)
        options?.onProgress?.({ table: table.name, rows })
        options?.signal?.throwIfAborted()
        return rows
      })
    },
    async csv(path: string, table: ExportTable, options?: WriteOptions): Promise<Written> {
      const { writeCsv } = await import('./adapters/files/csv-file.ts')
      return whole(path, (temporary) => writeCsv(temporary, table, options))
    },
    async text(path: string, pieces: AsyncIterable<string>, options?: WriteOptions): Promise<Written> {
      const { writeText } = await import('./adapters/files/csv-file.ts')
      return whole(path, (temporary) => writeText(temporary, pieces, options))
    },
    async duckdb(path: string, tables: readonly ExportTable[], options?: WriteOptions): Promise<Written> {
      await refuseOwn(path, notForTables)
      return writeDuckdb(path, tables, options)
    },
    async store(path: string, version: StoredVersion, tables: readonly ExportTable[], options?: WriteOptions) {
      await refuseOwn(path, notForTables)
      const { writeTables } = await import('./adapters/duckdb/history-file.ts')
      return writeTables(path, { format: 'store', ...version }, tables, options)
    },
    async snapshot(url: string, tables: readonly ExportTable[], options?: WriteOptions): Promise<Written> {
      if (isPostgres(url)) {
        const { writePostgresSnapshot } = await import('./adapters/postgres/snapshot.ts')
        return writePostgresSnapshot(url, tables, options)
      }
      const file = /^duckdb:\/\/\/(.+)$/s.exec(url)?.[1] ?? (isDuckdbPath(url) ? url : undefined)
      const path = file ?? sqlitePath(url)
      await refuseOwn(path, notForTables)
      if (file !== undefined) return writeDuckdb(resolve(file), tables, options)
      if (path === ':memory:')
        throw new ConfigError('a snapshot needs a file or a server; :memory: would be gone at once')
      const { writeSqliteSnapshot } = await import('./adapters/sqlite/snapshot-file.ts')
      const target = resolve(path)
      const write = (place: string): Promise<number> => writeSqliteSnapshot(place, target, tables, options)
      if (!existsSync(target)) return whole(target, write)
      const rows = await write(target)
      return { rows, bytes: (await stat(target)).size }
    },
    async neo4j(url: string, graph: ExportedGraph, { auth, prune = true, ...options }: Neo4jOptions = {}) {
      const [{ Neo4jServer }, { writeGraph }] = await Promise.all([
        import('./adapters/neo4j/driver.ts'),
        import('./adapters/neo4j/export.ts'),
      ])
      const server = await Neo4jServer.open(url, auth)
      try {
        return await writeGraph(server, graph, { ...options, prune })
      } finally {
        await server.close()
      }
    },
  }
}

async function writeDuckdb(path: string, tables: readonly ExportTable[], options?: WriteOptions): Promise<Written> {
  const { writeTables } = await import('./adapters/duckdb/history-file.ts')
  return writeTables(path, { format: 'duckdb' }, tables, options)
}
