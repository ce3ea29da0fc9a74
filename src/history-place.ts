/** Where a history store is, by its URL (spec 06 §10). */
import { existsSync } from 'node:fs'
import { didYouMean } from './core/spelling.ts'
import { ConfigError } from './errors.ts'

export type HistoryPlace =
  | { readonly kind: 'postgres'; readonly url: string }
  | { readonly kind: 'sqlite' | 'duckdb'; readonly path: string }

const SCHEMES = ['postgresql', 'postgres', 'sqlite', 'duckdb']
const FORMS =
  'postgresql://user@host/database, sqlite:///path, duckdb:///path, or a bare path, of DuckDB if it ends in .duckdb, else of SQLite'

/** Bare paths say by their end what is in the file. */
export function isDuckdbPath(path: string): boolean {
  return /\.(?:duckdb|ddb)$/i.test(path)
}

/** `ConfigError` for what is none of the known forms; texts of the URL behind its scheme are not repeated. */
export function historyPlace(url: string): HistoryPlace {
  if (typeof url !== 'string' || url.trim() === '') throw new ConfigError(`name a history store: ${FORMS}`)
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(url)?.[1]
  if (scheme === undefined) {
    // `postgresql:host` and the like are no file names that anybody means.
    const meant = /^([a-z]+):/i.exec(url)?.[1]?.toLowerCase()
    if (meant !== undefined && SCHEMES.includes(meant)) {
      throw new ConfigError(`'${meant}:' lacks its slashes; a history store is named by ${FORMS}`)
    }
    return file(isDuckdbPath(url) ? 'duckdb' : 'sqlite', url)
  }
  if (scheme === 'postgresql' || scheme === 'postgres') return { kind: 'postgres', url }
  if (scheme !== 'sqlite' && scheme !== 'duckdb') {
    throw new ConfigError(
      `no history store has the scheme '${scheme}://'${didYouMean(scheme, SCHEMES)}; known are ${FORMS}`,
      { code: 'E_CONFIG_DATABASE', details: { scheme } },
    )
  }
  const rest = url.slice(`${scheme}://`.length)
  if (!rest.startsWith('/')) {
    throw new ConfigError(`a path follows ${scheme}:/// (three slashes; four for an absolute one)`, {
      code: 'E_CONFIG_DATABASE',
      details: { scheme },
    })
  }
  return file(scheme, rest.slice(1), rest)
}

/**
 * What follows the third slash is the path; a file that is only there as an absolute path is what people mean who wrote
 * three slashes for four.
 */
function file(kind: 'sqlite' | 'duckdb', path: string, absolute = path): HistoryPlace {
  if (path === '' || path === ':memory:') {
    throw new ConfigError('a database in memory is seen by nobody but who made it; name a file', {
      code: 'E_CONFIG_DATABASE',
    })
  }
  return { kind, path: !existsSync(path) && existsSync(absolute) ? absolute : path }
}
