/** Files that are in the way of an export: only those of earlier exports are replaced without being told to. */
import { stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { ConfigError } from '../../errors.ts'
import type { Defacto } from '../../index.ts'
import { UsageError } from '../errors.ts'
import type { Target } from './target.ts'

/** Absolute paths of the files an export writes; none for servers. `tables`: names of what is in it. */
export function filesOf({ kind, format, place }: Target, tables: readonly string[]): string[] {
  if (kind === 'folder') return tables.map((name) => join(resolve(place), `${name}.${format}`))
  const path = kind === 'file' ? place : /^(?:(?:sqlite|duckdb):\/\/\/)?(.*)$/s.exec(place)?.[1]
  return path === undefined || path.includes('://') ? [] : [resolve(path)]
}

/**
 * `ConfigError` if a file is there that the list of exports does not know, `UsageError` for the database of the space
 * itself. `space` null: there is no list.
 */
export async function refuseStrangers(
  files: readonly string[],
  options: { readonly space: Defacto | null; readonly own: string | null; readonly force: boolean },
): Promise<void> {
  if (options.own !== null && files.includes(resolve(options.own)))
    throw new UsageError('this is the database of the space itself; export to another file')
  if (options.force) return
  const present: string[] = []
  for (const file of files) if (await isThere(file)) present.push(file)
  if (present.length === 0) return
  const known = new Set((await options.space?.exports())?.map(({ path }) => path))
  const strange = present.filter((file) => !known.has(file))
  if (strange.length === 0) return
  const [first, ...others] = strange
  const more = others.length === 0 ? '' : ` and ${others.length} more`
  throw new ConfigError(
    `${first}${more} exists and is no earlier export of this space; choose another place, or replace it with --force`,
    { code: 'E_CONFIG_EXPORT_EXISTS', details: { files: strange } },
  )
}

async function isThere(path: string): Promise<boolean> {
  try {
    return !(await stat(path)).isDirectory()
  } catch {
    // What cannot be looked at will be told by who writes.
    return false
  }
}
