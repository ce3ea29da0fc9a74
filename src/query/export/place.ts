/** Addresses of databases as people may see them (spec 06 §9.3): without password and parameters. */
import { resolve } from 'node:path'

/** Absolute path of what is a file, else the address without secrets. */
export function shownPlace(place: string): string {
  const file = /^(?:sqlite|duckdb):\/\/\/(.*)$/s.exec(place)?.[1]
  if (file !== undefined) return resolve(file)
  return place.includes('://') ? maskedAddress(place) : resolve(place)
}

/** `scheme://user:password@host/path?query` without password and query. */
export function maskedAddress(address: string): string {
  const [, scheme, user, rest] = /^([a-z][a-z0-9+.-]*:\/\/)(?:([^:@/?#]*)(?::[^/?#]*)?@)?([^?#]*)/i.exec(address) ?? []
  if (scheme === undefined) return '[address]'
  return `${scheme}${user === undefined || user === '' ? '' : `${user}@`}${rest ?? ''}`
}
