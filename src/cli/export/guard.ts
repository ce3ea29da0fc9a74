/** Files that are in the way of an export: only those of earlier exports are replaced without being told to. */
import { stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { LoadedProject } from '../../config/project.ts'
import { ConfigError } from '../../errors.ts'
import type { Defacto } from '../../index.ts'
import { type OwnPlace, ownPlaces, refuseOwn } from '../../own-places.ts'
import { UsageError } from '../errors.ts'
import type { Target } from './target.ts'

/** Absolute paths of the files an export writes; none for servers. `tables`: names of what is in it. */
export function filesOf({ kind, format, place }: Target, tables: readonly string[]): string[] {
  if (kind === 'folder') return tables.map((name) => join(resolve(place), `${name}.${format}`))
  const path = kind === 'file' ? place : /^(?:(?:sqlite|duckdb):\/\/\/)?(.*)$/s.exec(place)?.[1]
  return path === undefined || path.includes('://') ? [] : [resolve(path)]
}

/** Folders of a project that are read as its definitions. */
const DEFINITIONS = ['entities', 'sources', 'schemas', 'events', 'pipelines']

/** What makes up the project: settings and definitions are no place for an export, forced or not. */
export function projectPlaces({ file, definitions }: LoadedProject): OwnPlace[] {
  const folders = DEFINITIONS.map((name) => {
    return { path: join(definitions, name), what: 'among the definitions of the project', folder: true }
  })
  return file === null ? folders : [{ path: file, what: 'the settings of the project', folder: false }, ...folders]
}

/**
 * `ConfigError` if a file is there that the list of exports does not know, `UsageError` for the database of the space
 * itself, and for what makes up the project. `space` null: there is no list.
 */
export async function refuseStrangers(
  files: readonly string[],
  options: {
    readonly space: Defacto | null
    readonly own: string | null
    readonly project: LoadedProject
    readonly force: boolean
  },
): Promise<void> {
  if (options.own !== null && files.includes(resolve(options.own)))
    throw new UsageError('this is the database of the space itself; export to another file')
  const places = [...projectPlaces(options.project), ...(options.own === null ? [] : ownPlaces(options.own, null))]
  for (const file of files) await refuseOwn(file, places)
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
