/** Addresses of databases as people may see them (spec 06 §9.3): without password and parameters. */
import { resolve } from 'node:path'
import { QueryError } from '../../errors.ts'

/** Absolute path of what is a file, else the address without secrets; with the schema, which is no secret and another place. */
export function shownPlace(place: string): string {
  const file = /^(?:sqlite|duckdb):\/\/\/(.*)$/s.exec(place)?.[1]
  if (file !== undefined) return resolve(file)
  if (!place.includes('://')) return resolve(place)
  const schema = /^postgres/i.test(place) ? new URLSearchParams(/\?([^?#]*)/.exec(place)?.[1]).get('schema') : null
  return maskedAddress(place) + (schema === null ? '' : `?schema=${encodeURIComponent(schema)}`)
}

/** `scheme://user:password@host/path?query` without password and query. */
export function maskedAddress(address: string): string {
  const scheme = /^[a-z][a-z0-9+.-]*:\/\//i.exec(address)?.[0]
  if (scheme === undefined) return '[address]'
  const behind = address.slice(scheme.length)
  const at = behind.lastIndexOf('@')
  const place = behind.slice(at + 1).replace(/[?#].*$/s, '')
  if (at < 0) return `${scheme}${place}`
  // A password that is not escaped, or a parameter with an @: nobody can tell where the secret ends.
  if (/[/?#]/.test(behind.slice(0, at))) return `${scheme}***`
  const user = behind.slice(0, at).replace(/[:@].*$/s, '')
  return `${scheme}${user === '' ? '' : `${user}@`}${place}`
}

/** @throws QueryError for what is no text of a path or address */
export function checkPlace(place: unknown, call: string): void {
  if (typeof place === 'string' && place.trim() !== '' && !place.includes('\0')) return
  throw new QueryError(`${call}: the target must be a text, the path of a file or folder or an address`, {
    code: 'E_QUERY_STEP',
  })
}
