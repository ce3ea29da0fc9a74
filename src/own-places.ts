/** Places of a space that no export may write to (spec 06 §7): its database with the journals beside it, its archive. */
import { realpath } from 'node:fs/promises'
import { basename, dirname, join, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ConfigError } from './errors.ts'

export interface OwnPlace {
  readonly path: string
  /** What it is to its space, as a message says it. */
  readonly what: string
  /** Everything in it is meant, too. */
  readonly folder: boolean
  /** A DuckDB file: exports of tables go into a copy of it, in which what it holds stays. */
  readonly takesTables?: boolean
}

/** SQLite finds its journals by the name of the file: whoever exchanges one of them takes written rows away. */
const JOURNALS = ['-wal', '-shm', '-journal']

/** `database` and `archive` are addresses as the space was opened with; those of servers are no places here. */
export function ownPlaces(database: string, archive: string | null): OwnPlace[] {
  const places: OwnPlace[] = []
  if (database !== ':memory:' && !isAddress(database)) {
    const what = 'the database of the space itself'
    places.push({ path: database, what, folder: false })
    for (const end of JOURNALS) places.push({ path: `${database}${end}`, what: `part of ${what}`, folder: false })
  }
  const folder = archive?.startsWith('file://') === true ? fileURLToPath(archive) : archive
  if (folder !== null && !isAddress(folder))
    places.push({ path: folder, what: 'in the archive of the space itself', folder: true })
  return places
}

/** The file of a handle that only reads. */
export function readPlaces(kind: 'sqlite' | 'duckdb', path: string): OwnPlace[] {
  if (kind === 'sqlite') return ownPlaces(path, null)
  return [{ path, what: 'the history file that is read', folder: false, takesTables: true }]
}

/** @throws ConfigError if the file is one of the places or in one of them, by whatever name or link */
export async function refuseOwn(file: string, places: readonly OwnPlace[]): Promise<void> {
  if (places.length === 0) return
  const target = await real(resolve(file))
  for (const { path, what, folder } of places) {
    const own = await real(resolve(path))
    if (target !== own && !(folder && target.startsWith(own + sep))) continue
    throw new ConfigError(`${file} is ${what}; export to another place`, {
      code: 'E_CONFIG_EXPORT_OWN',
      details: { path: file },
    })
  }
}

function isAddress(text: string): boolean {
  return /^[a-z][a-z0-9+.-]+:\/\//i.test(text)
}

/** Without links, also where the end of the path is not there yet. */
async function real(path: string): Promise<string> {
  const found = await realpath(path).catch(() => null)
  if (found !== null || dirname(path) === path) return found ?? path
  return join(await real(dirname(path)), basename(path))
}
