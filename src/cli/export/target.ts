/** What the target of an export stands for (spec 06 §7, 10 §7.1). */
import { basename, extname } from 'node:path'
import { isFolder } from '../../config/file.ts'
import type { ExportFormat } from '../../ports/exports.ts'
import { UsageError } from '../errors.ts'

export const FORMATS: readonly ExportFormat[] = [
  'parquet',
  'csv',
  'duckdb',
  'store',
  'networkx',
  'graph',
  'neo4j',
  'snapshot',
]

export interface Target {
  readonly format: ExportFormat
  /** `folder`: a file for every table; `file`: one; `database`: behind an address. */
  readonly kind: 'folder' | 'file' | 'database'
  /** As the writers take it. */
  readonly place: string
}

const SCHEMES = /^(postgres(?:ql)?|sqlite|duckdb|bolt(?:\+s|\+ssc)?|neo4j(?:\+s|\+ssc)?):/i

/** Formats that a name of a file can stand for; the first one is meant unless another one is named. */
const OF_EXTENSION: Readonly<Record<string, readonly ExportFormat[]>> = {
  '.parquet': ['parquet'],
  '.csv': ['csv'],
  '.duckdb': ['duckdb', 'store', 'snapshot'],
  '.json': ['graph', 'networkx'],
  '.db': ['snapshot'],
  '.sqlite': ['snapshot'],
}

/**
 * Addresses of databases are snapshots, those of Neo4j its graph; files are what their names end with, everything else is
 * a folder of Parquet files. `UsageError` where the target cannot be what `--format` says.
 */
export function targetOf(text: string, wanted: ExportFormat | undefined): Target {
  if (text.trim() === '') throw new UsageError('name a folder, a file or the address of a database to export to')
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase() ?? null
  if (scheme !== null) return addressed(text, scheme, wanted)
  const meant = SCHEMES.exec(text)?.[1]
  // No name of a folder that anybody means; behind it may stand a password.
  if (meant !== undefined) throw new UsageError(`'${meant}:' lacks its slashes: ${meant.toLowerCase()}://…`)
  const extension = extname(text).toLowerCase()
  const known = /[\\/]$/.test(text) ? undefined : OF_EXTENSION[extension]
  if (known === undefined) return unnamed(text, wanted)
  const format = wanted ?? (known[0] as ExportFormat)
  if (!known.includes(format)) {
    throw new UsageError(
      `a file that ends with ${extension} is no export in the format ${format}; ${known.join(' or ')} is`,
    )
  }
  return { format, kind: 'file', place: text }
}

function addressed(text: string, scheme: string, wanted: ExportFormat | undefined): Target {
  if (/^(bolt|neo4j)(\+s|\+ssc)?$/.test(scheme)) return only('neo4j', wanted, text)
  if (/^postgres(ql)?$/.test(scheme) || scheme === 'sqlite') return only('snapshot', wanted, text)
  if (scheme !== 'duckdb') {
    throw new UsageError(
      `exports go to postgresql://, sqlite:///, duckdb:/// and bolt:// addresses, not to ${scheme}://`,
    )
  }
  if (wanted === undefined || wanted === 'snapshot') return { format: 'snapshot', kind: 'database', place: text }
  const path = /^duckdb:\/\/\/(.+)$/s.exec(text)?.[1]
  if (path === undefined) throw new UsageError('a path follows duckdb:/// (three slashes; four for an absolute one)')
  if (wanted !== 'duckdb' && wanted !== 'store')
    throw new UsageError(`a DuckDB file holds the formats snapshot, duckdb and store, not ${wanted}`)
  return { format: wanted, kind: 'file', place: path }
}

function only(format: ExportFormat, wanted: ExportFormat | undefined, place: string): Target {
  if (wanted !== undefined && wanted !== format)
    throw new UsageError(`this address takes the format ${format}, not ${wanted}`)
  return { format, kind: 'database', place }
}

/** A name that says nothing of a format. */
function unnamed(place: string, format: ExportFormat = 'parquet'): Target {
  if (format === 'parquet' || format === 'csv') {
    const extension = /\.[a-z][a-z0-9]*$/i.exec(basename(place))?.[0]
    if (extension !== undefined && extension !== basename(place) && !/[\\/]$/.test(place) && !isFolder(place)) {
      throw new UsageError(
        `no format ends with ${extension}; there are ${Object.keys(OF_EXTENSION).join(', ')}. A folder of that name is ${basename(place)}/`,
      )
    }
    return { format, kind: 'folder', place }
  }
  if (format === 'neo4j') throw new UsageError('the format neo4j needs an address: bolt://user:password@host:7687')
  if (/[\\/]$/.test(place)) throw new UsageError(`the format ${format} is one file; name it`)
  return { format, kind: format === 'snapshot' ? 'database' : 'file', place }
}
